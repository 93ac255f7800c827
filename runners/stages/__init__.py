"""The stages of the pipeline, one module each; `runners.pipeline.Stage` says what a module must have."""
