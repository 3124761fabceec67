// The inner loops of everything but normalisation, over raw memory: one table of them for each instruction set.
//
// Values are float32, float16 or bfloat16 in memory, and float32 in arithmetic unless a function says otherwise. Results
// do not depend on alignment and, with fused multiply-add, not on the instruction set.

#ifndef CELEMENTKERNELS_H
#define CELEMENTKERNELS_H

#include <CNormKernels.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// MARK: - Functions of one value

typedef enum __attribute__((enum_extensibility(closed))) element_function {
  element_rectify,
  element_tanh,
  element_sigmoid,
  element_exp,
  element_log,
  element_square_root,
  element_absolute,
  element_square,
  element_clamp,
  element_softplus,
  element_gelu,
  element_silu,
  element_negate,
  element_reciprocal,
  element_affine,
} element_function;

typedef struct element_pointwise {
  norm_type type;
  element_function function;
  /// Whether outputs go past the caches.
  bool stream;
  /// The slope of rectify below 0, the ends of clamp, scale and offset.
  double a, b;
} element_pointwise;

// MARK: - Functions of two values

typedef enum __attribute__((enum_extensibility(closed))) element_operation {
  element_add,
  element_subtract,
  element_multiply,
  element_divide,
  element_maximum,
  element_minimum,
  element_gate,
} element_operation;

typedef struct element_binary {
  norm_type type;
  element_operation operation;
  bool stream;
  /// Of gate.
  float slope;
} element_binary;

/// Rows of values.
typedef struct element_rows {
  const void *address;
  /// How many values a row begins after the one before.
  size_t step;
  /// Whether a row is one value, which counts for all places.
  bool is_one;
} element_rows;

// MARK: - Weighted sums

/// What the pixels of a row are sums of: for each of some rows, the pixel's places along it.
typedef struct element_terms {
  const void *_Nonnull const *_Nonnull addresses;
  const float *row_weights;
  size_t rows;
  /// Pixel p has the places, in values from a row's address, from `starts[p]` up to but not including `starts[p + 1]`.
  const int32_t *starts;
  const int64_t *offsets;
  const float *weights;
} element_terms;

// MARK: - Steps of optimizers

/// The numbers of a step of Adam.
typedef struct element_adam {
  double learn_rate, beta1, beta2, epsilon;
  /// 1 - beta1^t and 1 - beta2^t.
  double correction1, correction2;
} element_adam;

// MARK: - The table

typedef struct element_kernels {
  /// As in the environment variable INSTNORM_ISA.
  const char *name;
  /// Of the matrix product's tiles.
  size_t tile_rows, tile_columns;

  /// y = f(x). y may be x.
  void (*_Nonnull pointwise)(const element_pointwise *form, const void *x, void *y, size_t count);

  /// dx = dy f'(.), of `value`, which is f(x) where the slope is computed from that and x elsewhere. For clamp the ends
  /// are those of the float32 values within. dx may be either.
  void (*_Nonnull pointwise_gradient)(const element_pointwise *form, const void *dy, const void *value, void *dx,
                                      size_t count);

  /// y = f(a, b), row by row. y may be an operand whose rows are not one value.
  void (*_Nonnull binary)(const element_binary *form, element_rows a, element_rows b, void *y, size_t y_step,
                          size_t rows, size_t count);

  /// y = f(x, repeated), or f(repeated, x): `period + 15` values, the last 15 beginning anew with the first.
  void (*_Nonnull binary_periodic)(const element_binary *form, const void *x, const float *repeated, bool is_first,
                                   void *y, size_t count, size_t period, size_t first);

  /// From one type to another, which may be the same.
  void (*_Nonnull convert)(norm_type from, norm_type to, const void *x, void *y, size_t count, bool stream);
  void (*_Nonnull widen)(norm_type from, const void *x, double *y, size_t count);
  /// Rounded once.
  void (*_Nonnull narrow)(norm_type to, const double *x, void *y, size_t count);

  /// y[c y_step + r] = x[r x_step + c], of values of 2, 4 or 8 bytes.
  void (*_Nonnull transpose)(size_t bytes, const void *x, size_t x_step, void *y, size_t y_step, size_t rows,
                             size_t columns, bool stream);

  /// y[i] = x[sources[i]], of values of 2, 4 or 8 bytes; 0 where the source is negative.
  void (*_Nonnull gather)(size_t bytes, const void *x, const int32_t *sources, void *y, size_t count);

  /// Pixels of so many bytes, each from `offsets[p]` bytes after x; zeros where that is negative.
  void (*_Nonnull copy_pixels)(const void *x, const int64_t *offsets, void *y, size_t y_step, size_t pixels,
                               size_t bytes);

  /// Each pixel's channels, which lie together, from the same of its terms.
  void (*_Nonnull weigh_pixels)(norm_type from, norm_type to, const element_terms *terms, void *y, size_t y_step,
                                size_t pixels, size_t channels);

  /// y[i] = sum over k of weights[k] x[k][i].
  void (*_Nonnull weigh_rows)(norm_type from, const void *_Nonnull const *_Nonnull x, const float *weights,
                              size_t sources, norm_type to, void *y, size_t count);

  /// y[i] = sum over e from starts[i] to starts[i + 1] of weights[e] x[sources[e]].
  void (*_Nonnull weigh_places)(const float *x, const int32_t *starts, const int32_t *sources, const float *weights,
                                norm_type to, void *y, size_t count);

  /// Sums are taken in float64.
  double (*_Nonnull sum)(norm_type type, const void *x, size_t count);
  /// NaN where one is; -infinity of none.
  float (*_Nonnull maximum)(norm_type type, const void *x, size_t count);
  /// The same of each column, together with what is there.
  void (*_Nonnull sum_rows)(norm_type type, const void *x, size_t step, size_t rows, size_t columns, double *sums);
  void (*_Nonnull maximum_rows)(norm_type type, const void *x, size_t step, size_t rows, size_t columns,
                                float *maxima);

  /// panels[p][k][i] = x[(p tile + i) step + k inner_step] as float32; 0 where p tile + i is not below `extent`.
  void (*_Nonnull pack)(norm_type type, const void *x, size_t step, size_t inner_step, size_t extent, size_t inner,
                        size_t tile, float *panels);

  /// sums = a b, or sums + a b if `adds`, for packed panels of tiles; `step` values from row to row. Products are added
  /// in float32 in the order of k.
  void (*_Nonnull multiply_panels)(const float *a, const float *b, size_t inner, size_t row_tiles, size_t column_tiles,
                                   double *sums, size_t step, bool adds);

  /// target = alpha x + beta target, in float64 and rounded once. With beta 0 the target is not read.
  void (*_Nonnull combine)(norm_type type, double alpha, const void *x, double beta, void *target, size_t count);
  void (*_Nonnull combine_wide)(norm_type type, double alpha, const double *x, double beta, void *target, size_t count);

  /// In float64, each result rounded once.
  void (*_Nonnull adam)(norm_type type, const element_adam *step, const void *gradient, void *parameter,
                        void *first_moment, void *second_moment, size_t count);
} element_kernels;

/// The tables compiled for this architecture, the fastest first; null beyond the last.
const element_kernels *_Nullable element_kernels_at(size_t index);

#pragma clang assume_nonnull end

#endif
