#!/usr/bin/env python3
"""Publish a model release: ./scripts/push_model_to_s3.py --model-path models/ner-v1.1.0 --bucket B.

Any Python may start this: it goes on in the project's own.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from scripts.project_python import use_project_python

    use_project_python("boto3")
    from scripts.push_model import main

    sys.exit(main(sys.argv[1:]))
