"""The local access log's slowest requests."""

import json
from pathlib import Path

from local.access_log import MOST_SLOW, AccessLog, slowest
from local.template import Template


def test_the_slowest_come_first_with_the_code_of_their_failure(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", Template().access_log)
    for number in range(MOST_SLOW + 5):
        log.write({"requestId": f"request-{number}", "responseLatency": number, "integrationLatency": number})
    log.close()
    lines = [{"request_id": "request-24", "message": "answered", "status": 503, "code": "database_away"}, "no object"]
    (tmp_path / "functions.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"request_id": "re')
    _, *table = [line.split() for line in slowest(tmp_path / "access.log", tmp_path / "functions.log")]
    assert [row[-1] for row in table] == [f"request-{number}" for number in range(24, 4, -1)]
    assert [row[-2] for row in table[:2]] == ["database_away", "-"]
