"""Prints the template as CloudFormation gets it: `translate.py TEMPLATE` with parameters as a JSON object on stdin.

Runs in the SAM CLI's own virtual environment, which has the translator that AWS runs.
"""

import json
import sys
from pathlib import Path

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# Any that the names of AWS's managed policies are the same in; nothing is asked of AWS.
SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")

if __name__ == "__main__":
    template = yaml_parse(Path(sys.argv[1]).read_text())
    translated = Translator({}, Parser(), boto_session=SESSION).translate(template, json.load(sys.stdin))
    json.dump(translated, sys.stdout)
