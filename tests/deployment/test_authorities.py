"""Certificate authorities of the migration: RDS's own roots, and nobody else."""

import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509

import migrations
from local.template import Template
from wellspring.database.engine import tls
from wellspring.settings import Settings

FILE = Path(migrations.__file__).with_name("rds_root_cas.pem")
NAMED = re.compile(r"Amazon RDS ([a-z]+-[a-z]+-\d) Root CA (RSA2048|RSA4096|ECC384) G1")
ROOTS = x509.load_pem_x509_certificates(FILE.read_bytes())


def name(certificate: x509.Certificate) -> tuple[str, str]:
    """Return the region and the kind of key of one of RDS's roots."""
    (common,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    found = NAMED.fullmatch(str(common.value))
    assert found
    return found[1], found[2]


def test_only_what_goes_past_the_proxy_trusts_them() -> None:
    # A layer's `python` is at /opt/python, and the layer's package of this name is built of this folder.
    told = {name: function.environment.get("DB_CA_FILE") for name, function in Template().functions.items()}
    assert told.pop("SchemaMigrateFunction") == f"/opt/python/migrations/{FILE.name}"
    assert set(told.values()) == {None}


def test_each_region_of_the_template_has_a_root_for_each_kind_of_key() -> None:
    (assertion,) = Template().document["Rules"]["DatabaseCanBeVerified"]["Assertions"]
    regions, _ = assertion["Assert"]["Fn::Contains"]
    assert sorted(map(name, ROOTS)) == sorted(product(regions, ("RSA2048", "RSA4096", "ECC384")))


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: "-".join(name(root)))
def test_each_is_a_root_that_python_takes_for_one(root: x509.Certificate) -> None:
    root.verify_directly_issued_by(root)
    assert root.not_valid_after_utc > datetime(2060, 1, 1, tzinfo=UTC)
    # What VERIFY_X509_STRICT, on since Python 3.13, asks of an authority (OpenSSL's X509_verify_cert).
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_the_context_of_the_migration_trusts_all_of_them_and_nobody_else() -> None:
    context = tls(Settings(db_host="x", db_user="x", db_ca_file=str(FILE)))
    assert context is not None
    trusted = {x509.load_der_x509_certificate(each) for each in context.get_ca_certs(binary_form=True)}
    assert trusted == set(ROOTS)
