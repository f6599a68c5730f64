# From a clean clone, with Python 3.11 or newer and nothing else:
#   make demo    compile a network trained here and read handwritten digits with it
#   make test    the test suite (make test PYTEST="-m slow" for the long sweeps)
#   make lint    style and types
#   make bench   time networks: make bench MODELS="resnet50 mobilenetv2"

PYTEST ?= -n auto -m "not slow"
MODELS ?= examples/digits.onnx
THREADS ?= 1 2

BIN := .venv/bin

.PHONY: demo test lint bench clean

demo: .venv/extras-base
	$(BIN)/python examples/read_digits.py

test: .venv/extras-base
	$(BIN)/python -m pytest $(PYTEST)

lint: .venv/extras-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: .venv/extras-bench
	$(BIN)/python -m benchmarks.compare $(MODELS) --threads $(THREADS)

clean:
	rm -rf .venv build *.egg-info

# One environment; each stamp says that its extras are installed for this pyproject.toml.
.venv/extras-base: pyproject.toml
	.ci/venv gpu,test
	@touch $@

.venv/extras-dev: pyproject.toml .venv/extras-base
	.ci/venv gpu,test,dev
	@touch $@

.venv/extras-bench: pyproject.toml .venv/extras-base
	.ci/venv gpu,test,bench
	@touch $@
