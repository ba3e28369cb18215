# lightning_vc with its shipped model. For the CPU:
#   docker build -t lightning_vc .
#   docker run --rm -v "$PWD:/work" lightning_vc clone --clips a.wav b.wav --text "Hello." --out hello.wav
# For an NVIDIA GPU, with PyTorch's index of the CUDA version that the driver supports, and --gpus all at run time:
#   docker build -t lightning_vc:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps -w /dist .

FROM python:${PYTHON}-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=demo,hub
# torchaudio 2.11 is published as a CUDA build only; beside another build of PyTorch its extension is not loaded.
COPY --from=build /dist /dist
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch>=2.11,<2.14" \
    && pip install --no-cache-dir "$(ls /dist/*.whl)[$EXTRAS]" \
    && rm -r /dist
RUN useradd --create-home --uid 1000 user && mkdir /work && chown user /work
USER user
WORKDIR /work
ENTRYPOINT ["lightning-vc"]
CMD ["--help"]
