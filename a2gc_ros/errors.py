"""The one hierarchy of errors a user may see.

Every message is one sentence that names the thing, says what is wrong with it, and what to do.
"""


class A2gcError(Exception):
    """Base of every error this package raises on purpose; the command line prints it and exits with 2."""


class ImageError(A2gcError):
    """An image or image message that cannot be turned into RGB pixels."""


class CalibrationError(A2gcError):
    """A camera calibration that cannot be told, or cannot be that of the images; they are of use without it."""


class ModelError(A2gcError):
    """A model that does not exist, cannot be built, or does not fit its input."""


class CheckpointError(ModelError):
    """A weights file with missing, surplus or misshapen tensors, or in no known layout."""


class DownloadError(A2gcError):
    """A file that could not be fetched or did not match its sha256."""


class BackendError(A2gcError):
    """An inference runtime that is not installed, cannot load a model, or failed while running."""


class MapError(A2gcError):
    """A place map that is damaged, foreign to the extractor, or used in a way it does not allow."""


class FleetError(A2gcError):
    """A fleet's database that cannot be reached, refuses, or does not hold what was asked of it."""


class BagError(A2gcError):
    """A recording that cannot be read, or that lacks what was asked of it."""


class ConfigError(A2gcError):
    """A parameter or recipe entry that is unknown, of the wrong type, or out of range."""


class TrainingError(A2gcError):
    """A training that cannot go on, though nothing that was asked for is wrong in itself."""


class DatasetError(A2gcError):
    """A data set that is not laid out as its reader expects."""
