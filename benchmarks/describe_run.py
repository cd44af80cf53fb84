"""A run in tables for RESULTS.md: curve, figures by class, most confused pairs.

python -m benchmarks.describe_run --run runs/NAME
"""

from pathlib import Path

import tyro

from sightline.run_store.run import Run


def main(run: Path) -> None:
    opened = Run(run)
    predictions = opened.predictions()
    print("| epoch | train loss | train accuracy | test loss | test accuracy | seconds |\n|---|---|---|---|---|---|")
    for row in opened.metrics():
        print(
            f"| {row.epoch} | {row.train_loss:.3f} | {row.train_accuracy:.2%} | {row.test_loss:.3f} "
            f"| {row.test_accuracy:.2%} | {row.seconds:.0f} |"
        )
    print("\n| class | images | precision | recall |\n|---|---|---|---|")
    for name, support, precision, recall in predictions.per_class().itertuples(index=False):
        print(f"| {name} | {support} | {precision:.1%} | {recall:.1%} |")
    print("\n| true | predicted | images |\n|---|---|---|")
    for label, predicted, images in predictions.most_confused(10):
        print(f"| {predictions.class_names[label]} | {predictions.class_names[predicted]} | {images} |")


if __name__ == "__main__":
    tyro.cli(main)
