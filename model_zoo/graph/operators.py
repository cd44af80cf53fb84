"""Name the operators that an opened graph may call: of tensors, with arguments that they check, and no files.

A prefix is no fence. Among PyTorch's own operators are some that open files (`from_file`), trust a pointer inside a
tensor (`fbgemm_…`), hand out memory that nobody has written (`empty`) or lay a tensor over memory that is not its own
(`as_strided`, `_reshape_alias`): what is not named here is refused. Others are called with care, see `guards`.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from sightline.model_zoo.graph.guards import check_codes, guarded
from sightline.model_zoo.spec import ModelError, printable

_ACTIVATIONS = """
celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish prelu relu relu6
rrelu selu sigmoid silu softmax softplus softshrink tanh threshold _softmax _log_softmax _prelu_kernel
"""
_ARITHMETIC = """
abs acos acosh add addcdiv addcmul angle asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not
bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh deg2rad div divide eq
erf erfc exp exp2 expm1 floor floor_divide fmax fmin fmod frac ge greater greater_equal gt hypot isfinite isinf isnan
le lerp less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor lt maximum
minimum mul multiply nan_to_num ne neg negative not_equal pow rad2deg reciprocal remainder round rsqrt rsub sgn sign
sin sinc sinh sqrt square sub subtract tan true_divide trunc where xlogy __and__ __or__ __xor__
"""
_SUMS = """
all amax amin aminmax any argmax argmin argsort count_nonzero cummax cummin cumprod cumsum kthvalue linalg_norm
linalg_vector_norm logcumsumexp logsumexp max mean median min msort nanmean nanmedian nanquantile nansum norm prod
quantile sort std std_mean sum topk var var_mean
"""
_PRODUCTS = """
addbmm addmm addmv addr baddbmm bilinear bmm cdist cosine_similarity cross dot einsum inner kron linalg_cross
linalg_matmul linalg_multi_dot linear matmul mm mv outer pairwise_distance tensordot vdot
"""
_SHAPES = """
alias atleast_1d atleast_2d atleast_3d broadcast_tensors broadcast_to cat chunk clone col2im concat concatenate
constant_pad_nd contiguous detach diag diag_embed diagonal expand expand_as fill flatten flip fliplr flipud gather
hsplit hstack im2col index index_add index_copy index_fill index_put index_select masked_fill meshgrid moveaxis movedim
mT narrow numpy_T pad permute pixel_shuffle pixel_unshuffle channel_shuffle ravel reflection_pad1d reflection_pad2d
reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape reshape_as roll
rot90 scatter scatter_add select select_scatter slice slice_scatter split split_with_sizes squeeze stack swapaxes
swapdims t take_along_dim tensor_split tile transpose tril triu unbind unflatten unfold unsafe_split unsqueeze view
view_as vsplit vstack dsplit dstack copy zero _unsafe_view lift_fresh_copy lift_fresh resolve_conj
resolve_neg
"""
_NUMBERS = """
arange eye full full_like linspace new_full new_ones new_zeros ones ones_like scalar_tensor tril_indices triu_indices
zeros zeros_like to type_as _to_copy sym_size complex imag real view_as_complex view_as_real
fft_fft fft_fft2 fft_fftn fft_fftshift fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft fft_irfft
fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn one_hot
"""
_LAYERS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
_adaptive_avg_pool2d _adaptive_avg_pool3d affine_grid_generator alpha_dropout avg_pool1d avg_pool2d avg_pool3d
batch_norm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution dropout embedding
feature_alpha_dropout feature_dropout grid_sampler grid_sampler_2d group_norm gru gru_cell instance_norm
layer_norm lstm lstm_cell
max_pool1d max_pool2d max_pool3d max_pool2d_with_indices native_batch_norm native_dropout native_group_norm
native_layer_norm _native_batch_norm_legit_no_training rms_norm rnn_relu rnn_relu_cell rnn_tanh
rnn_tanh_cell scaled_dot_product_attention
upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_trilinear3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
"""
OPERATORS = frozenset(" ".join((_ACTIVATIONS, _ARITHMETIC, _SUMS, _PRODUCTS, _SHAPES, _NUMBERS, _LAYERS)).split())

# What Python does with numbers of a shape, and with what an operator returns several of.
PYTHON: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in ("add", "floordiv", "getitem", "mod", "mul", "neg", "pos", "sub")
}
# The functions that modules call, of the same operators: what looks for these calls (`Im2col`) finds them.
_AS_MODULES_DO: dict[str, Callable[..., Any]] = {"conv2d.default": torch.conv2d, "linear.default": functional.linear}
# How memory is laid out is for operators to choose, and without content ("meta") some choose otherwise than with it.
_OF_ANY_LAYOUT = {"view.default": "reshape.default", "_unsafe_view.default": "reshape.default"}
_OPERATOR = re.compile(r"([a-zA-Z0-9_]+)\.([a-zA-Z0-9_]+)")
RETURNED = "alias.default"  # marks what a module returned


def _unchanged(value: Any) -> Any:
    return value


def find_operator(name: str) -> Callable[..., Any]:
    """Return the function that a graph calls `name`: "conv2d.default" of torch.ops.aten, or "python.add".

    Raises ModelError for every other.
    """
    name = _OF_ANY_LAYOUT.get(name, name)
    space, _, rest = name.partition(".")
    if space == "python" and rest in PYTHON:
        return PYTHON[rest]
    found = _OPERATOR.fullmatch(name)
    base, overload = found.groups() if found else ("", "")
    is_known = base in OPERATORS or base.removesuffix("_") in OPERATORS
    packet = getattr(torch.ops.aten, base, None) if is_known else None
    if packet is None or overload not in packet.overloads() or "out" in overload.split("_"):
        raise ModelError(f"It calls {printable(name)!r}, which is none of the operators that Sightline runs.")
    if name == RETURNED:
        return _unchanged
    return guarded(base, _AS_MODULES_DO.get(name) or getattr(packet, overload))


def with_all_arguments(name: str, arguments: list[Any], named: dict[str, Any]) -> list[Any]:
    """Return the arguments without names, and behind them what the operator takes where it is not told otherwise.

    Only of operators that are called as modules call them. Raises ValueError for a number that stands for a type.
    """
    packet, _, overload = name.partition(".")
    if packet == "python":
        return arguments
    known = getattr(getattr(torch.ops.aten, packet), overload)
    check_codes(known, arguments, named)
    if name not in _AS_MODULES_DO or named:
        return arguments
    return [*arguments, *(each.default_value for each in known._schema.arguments[len(arguments) :])]
