"""Pixels and labels: `load_image_data` turns the name of a data set into two splits of uint8 images."""

from sightline.image_data.class_names import read_class_names, with_classes
from sightline.image_data.decode import decode_image
from sightline.image_data.objects.split import split_of
from sightline.image_data.preprocessing import Preprocessing
from sightline.image_data.sources import dataset_help, load_image_data, load_test_split, training_classes
from sightline.image_data.splits import (
    DataError,
    ImageData,
    ImageSplit,
    Progress,
    content_fingerprint,
    hold_out,
    leave_out,
)
from sightline.image_data.transforms import preprocessing_of

__all__ = [
    "DataError",
    "ImageData",
    "ImageSplit",
    "Preprocessing",
    "Progress",
    "content_fingerprint",
    "dataset_help",
    "decode_image",
    "hold_out",
    "leave_out",
    "load_image_data",
    "load_test_split",
    "preprocessing_of",
    "read_class_names",
    "split_of",
    "training_classes",
    "with_classes",
]
