// The kernels, written once over vectors of 16 values, a file a family. Each instruction set's file defines ISA,
// HAS_FMA, HAS_HALF and the tile of the matrix product that fits its registers, TILE_ROWS by TILE_VECTORS times 16, and
// includes this between its `#pragma clang attribute`s.

#include "include/CElementKernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi"

#include "../CNormKernels/Vectors.h"

// Calls `f` with a type as a constant.
#define WITH_TYPE(f, type)                                                                                             \
  switch (type) {                                                                                                      \
  case norm_float32: f(norm_float32); break;                                                                           \
  case norm_float16: f(norm_float16); break;                                                                           \
  case norm_bfloat16: f(norm_bfloat16); break;                                                                         \
  }

#include "Rounding.h"

#include "Functions.h"

#include "Pointwise.h"

#include "Binary.h"

#include "Rearrange.h"

#include "Transpose.h"

#include "Weigh.h"

#include "Reduce.h"

#include "Matrix.h"

#include "Update.h"

#define STRING_(a) #a
#define STRING(a) STRING_(a)

const element_kernels PASTE(element_kernels, ISA) = {
    .name = STRING(ISA),
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_VECTORS * lanes,
    .pointwise = PASTE(pointwise, ISA),
    .pointwise_gradient = PASTE(pointwise_gradient, ISA),
    .binary = PASTE(binary, ISA),
    .binary_periodic = PASTE(binary_periodic, ISA),
    .convert = PASTE(convert, ISA),
    .widen = PASTE(widen, ISA),
    .narrow = PASTE(narrow, ISA),
    .transpose = PASTE(transpose, ISA),
    .gather = PASTE(gather, ISA),
    .copy_pixels = PASTE(copy_pixels, ISA),
    .weigh_pixels = PASTE(weigh_pixels, ISA),
    .weigh_rows = PASTE(weigh_rows, ISA),
    .weigh_places = PASTE(weigh_places, ISA),
    .sum = PASTE(sum, ISA),
    .maximum = PASTE(maximum, ISA),
    .sum_rows = PASTE(sum_rows, ISA),
    .maximum_rows = PASTE(maximum_rows, ISA),
    .pack = PASTE(pack, ISA),
    .multiply_panels = PASTE(multiply_panels, ISA),
    .combine = PASTE(combine, ISA),
    .combine_wide = PASTE(combine_wide, ISA),
    .adam = PASTE(adam, ISA),
};
