// The inner loops of convolution over raw memory, with the maps of a pixel together: one table of them for each
// instruction set.
//
// Every sum is added up in one order, value by value, with one rounding for each product and its addition: so results do
// not depend on how work is cut up nor, with fused multiply-add, on the instruction set.

#ifndef CCONVOLUTIONKERNELS_H
#define CCONVOLUTIONKERNELS_H

#include <CNormKernels.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// c[i][j] = start[i][j] + sum over s and k of a[s][i a_row + k] b[s][k][j], and then an activation.
///
/// A segment s is a run of neighbouring values: a row of the kernel. The j are whole vectors of 16.
typedef struct convolution_product {
  /// By segment, what the first row reads.
  const float *_Nonnull const *_Nonnull a;
  /// How many values a row begins after the one before.
  size_t a_row;
  /// The 16 `vectors` values of a k together, `b_step` values from k to k, segment after segment.
  const float *b;
  size_t b_step;
  size_t segments, inner, rows, vectors;
  float *c;
  size_t c_row;
  /// 16 `vectors` values for each row, `start_row` values from row to row; null for zeros.
  const float *_Nullable start;
  size_t start_row;
  bool rectifies;
  /// Of the activation, below 0.
  float slope;
} convolution_product;

/// c[j c_row + i] += sum over k of a[i a_row + k] b[j b_row + k].
///
/// The inner axis is whole vectors of 16, added up in 16 lanes; lanes that are 8 apart are then added up, what these come
/// to 4 apart, and so on.
typedef struct convolution_dots {
  const float *a, *b;
  size_t a_row, b_row;
  size_t inner, rows, columns;
  float *c;
  size_t c_row;
} convolution_dots;

/// sums[i][j] += sum over s and k of a[s][i + k a_step] b[s][k b_step + j]; or values[i][j] = that, where `values` is not
/// null.
typedef struct convolution_correlation {
  const float *_Nonnull const *_Nonnull a;
  const float *_Nonnull const *_Nonnull b;
  size_t a_step, b_step;
  size_t segments, inner, rows, vectors;
  double *_Nullable sums;
  float *_Nullable values;
  /// From row to row of either.
  size_t sums_row;
} convolution_correlation;

/// How pixels are read: y = activation((x - shift) gain + offset) + residual, or activation of all of it, by map; where
/// `gain` is null, y = activation(x).
typedef struct convolution_reading {
  norm_type type;
  bool rectifies;
  float slope;
  bool residual_is_before;
  /// Room for a multiple of 16 maps.
  const float *_Nullable shift, *_Nullable gain, *_Nullable offset;
} convolution_reading;

/// Where the pieces of a tile are: values from one tile, row, pixel or frequency to the next.
typedef struct convolution_tiles {
  size_t tiles, vectors;
  /// Pixels of a tile's side that are computed: 3, 4 or 5; it reads 6.
  size_t size;
  /// Of pixels, with the maps of one together.
  size_t row, pixel;
  /// Of what is transformed.
  size_t tile, frequency;
} convolution_tiles;

/// Where weights of 16 maps of the output are, and what they are transformed to or from.
typedef struct convolution_weights {
  float *values;
  /// From the weights of one map of the output, map of the input, row or column to the next.
  ptrdiff_t output, input, row, column;
  /// Of the input.
  size_t maps;
  /// Of what is transformed: from map to map of the input, and from frequency to frequency; whole vectors of 16.
  size_t step, frequency;
} convolution_weights;

/// Sums of products of what is transformed: in float64, or in float32 where `values` is not null.
typedef struct convolution_sums {
  const double *_Nullable sums;
  const float *_Nullable values;
} convolution_sums;

typedef struct convolution_kernels {
  /// As in the environment variable INSTNORM_ISA.
  const char *name;

  /// How many vectors of 16 maps go into a panel of packed weights, of some maps.
  size_t (*_Nonnull panel_vectors)(size_t maps);

  void (*_Nonnull multiply)(const convolution_product *product);
  void (*_Nonnull correlate)(const convolution_correlation *correlation);
  void (*_Nonnull dot)(const convolution_dots *dots);

  /// Pixels, each from `places[p]` along a row or, where that is negative, zeros. `count` pixels of `maps` values each;
  /// the one at place q begins `q step` values from x.
  void (*_Nonnull read)(const convolution_reading *form, const void *x, const void *_Nullable residual, size_t step,
                        size_t maps, const int32_t *places, size_t count, float *y);

  /// Winograd's F(5x5, 2x2), F(4x4, 3x3) and F(3x3, 4x4) (Lavin and Gray, 2016): B^T d B of tiles of 6x6 pixels, `size`
  /// apart.
  void (*_Nonnull winograd_input)(const convolution_tiles *tiles, const float *pixels, float *transformed);
  /// G g G^T of kernels g of `size` rows and columns, 2 to 4; `transformed` begins at a cache line.
  void (*_Nonnull winograd_weights)(size_t size, const convolution_weights *weights, float *transformed);
  /// A^T m A, added to `start` where that is not null, and then the activation.
  void (*_Nonnull winograd_output)(const convolution_tiles *tiles, const float *transformed,
                                   const float *_Nullable start, bool rectifies, float slope, float *pixels);

  /// For the gradient by weights: A d A^T.
  void (*_Nonnull winograd_gradient)(const convolution_tiles *tiles, const float *pixels, float *transformed);
  /// G^T u G of sums u over tiles: gradients of kernels of `size` rows and columns.
  void (*_Nonnull winograd_gradient_output)(size_t size, const convolution_sums *sums,
                                            const convolution_weights *weights);

  /// y[p][m] = start[m] + sum over r of x[r][p][r maps + m], for fewer than 16 maps: shifted sums of what each of a
  /// kernel's rows comes to. `step` values from pixel to pixel of x.
  void (*_Nonnull add_shifted)(const float *_Nonnull const *_Nonnull x, size_t rows, size_t step, size_t maps,
                               const float *start, bool rectifies, float slope, size_t count, float *y);
} convolution_kernels;

/// The tables compiled for this architecture, the fastest first; null beyond the last.
const convolution_kernels *_Nullable convolution_kernels_at(size_t index);

#pragma clang assume_nonnull end

#endif
