"""What `syncd init` writes: exact copies of config.example.toml and examples/pipeline.csv, which a test compares."""
