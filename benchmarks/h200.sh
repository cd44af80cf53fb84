#!/usr/bin/env bash
# Trains ResNet18 on one GPU and prints accuracy, seconds an epoch, images/s and the share of the GPU's own rate.
#
#   bash benchmarks/h200.sh cifar10-jpeg.tar.xz [--seeds 0 1 2 3 4] [other options of benchmarks.gpu_training]
#
# It needs this repository, an archive with train/<class>/ and test/<class>/, and a Python with requirements.txt
# (another than python3 is named in PYTHON). It can be ended and run again: finished epochs are kept, below runs/gpu.
set -euo pipefail
[ -f "${1:-}" ] || { echo "Name the data archive: bash benchmarks/h200.sh ARCHIVE [OPTIONS]" >&2; exit 2; }
archive=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
data=runs/gpu-data/$(basename "$archive")
if [ ! -d "$data" ]; then
    mkdir -p "$data.part"
    tar -xf "$archive" -C "$data.part"
    mv "$data.part" "$data"
fi
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv
"${PYTHON:-python3}" -m benchmarks.gpu_training --dataset "folder:$data" "$@"
