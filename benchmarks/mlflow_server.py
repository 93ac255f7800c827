"""MLflow's server around the session of the bare handler: `MODEL=… python -m benchmarks.mlflow_server PORT`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mlflow.pyfunc

CODE = """\
import mlflow.models, mlflow.pyfunc
from benchmarks.bare_handler import answered


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [answered(record)["probability"] for record in model_input.to_dict("records")]


mlflow.models.set_model(Model())
"""

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code.py"
        code.write_text(CODE)
        mlflow.pyfunc.save_model(Path(folder) / "model", python_model=str(code), pip_requirements=[])
        serve = ["mlflow", "models", "serve", "--model-uri", f"{folder}/model", "--host", "127.0.0.1"]
        words = ["--port", sys.argv[1], "--env-manager", "local", "--workers", "1"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where it looks for uvicorn
        subprocess.run([sys.executable, "-m", *serve, *words], check=False, env={**os.environ, "PATH": path})
