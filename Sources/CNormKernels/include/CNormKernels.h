// The inner loops of instance normalisation over raw memory, one table of them for each instruction set.
//
// A plane's values lie together in NCHW; in NHWC those of all maps of a picture alternate. Where the loops over both
// are the same but for that, `maps` says which: 1 for a plane, C for a picture.
//
// The order of every sum and the rounding of every operation are fixed by the length of the plane alone, and are the
// same in each table with fused multiply-add.

#ifndef CNORMKERNELS_H
#define CNORMKERNELS_H

#include <stdbool.h>
#include <stddef.h>

#pragma clang assume_nonnull begin

/// What values are in memory. Arithmetic is in float32, sums of many are in float64.
typedef enum __attribute__((enum_extensibility(closed))) norm_type {
  norm_float32,
  norm_float16,
  norm_bfloat16,
} norm_type;

typedef enum __attribute__((enum_extensibility(closed))) norm_activation {
  norm_activation_none,
  norm_activation_relu,
  norm_activation_leaky,
} norm_activation;

/// Where a residual is added: y = activation(n + r) or y = activation(n) + r.
typedef enum __attribute__((enum_extensibility(closed))) norm_residual {
  norm_residual_none,
  norm_residual_before,
  norm_residual_after,
} norm_residual;

/// What a loop is specialised for.
typedef struct norm_form {
  norm_type type;
  norm_activation activation;
  norm_residual residual;
  /// Of leaky ReLU below zero.
  float slope;
  /// Whether outputs go past the caches.
  bool stream;
} norm_form;

/// n = (x - shift) gain + offset. Each for one map, or `maps + 15` of them, the last 15 beginning anew with the first.
typedef struct norm_affine {
  const float *shift, *gain, *offset;
} norm_affine;

/// xhat = (x - shift) inv_std + centre;  dx = (dn - mean) gain + xhat slope + offset. As long as those of norm_affine.
typedef struct norm_slope {
  const float *inv_std, *centre;
  const float *mean, *slope, *offset;
} norm_slope;

/// Values in a block of a plane: sums are in float32 within, in float64 beyond.
enum { norm_plane_block = 1024, norm_pixel_block = 64 };

/// Of a piece of a plane.
typedef struct norm_moments {
  /// Of x - shift.
  double sum, square;
} norm_moments;
typedef struct norm_gradient_sums {
  /// Of dn, and of dn xhat.
  double sum, product;
  /// The largest |dn|.
  float largest;
} norm_gradient_sums;

typedef struct norm_kernels {
  /// As in the environment variable INSTNORM_ISA.
  const char *name;

  norm_moments (*_Nonnull plane_moments)(norm_type type, const void *x, size_t count, float shift);

  /// The same for all maps of some pixels, added to what is there. `shift`, `sum` and `square` have room for a multiple
  /// of 16 maps, and `readable` values may be read from x on.
  void (*_Nonnull pixel_moments)(norm_type type, const void *x, size_t pixels, size_t maps, size_t readable,
                                 const float *shift, double *sum, double *square);

  /// y from x and, where there is one, the residual, for `count` values that begin with map `first`. y may be x.
  /// `ahead`, which may be null, is memory that will be read next and is fetched meanwhile, as many bytes as x has,
  /// where the output goes past the caches.
  void (*_Nonnull normalize)(const norm_form *form, const void *x, const void *_Nullable residual, void *y,
                             size_t count, size_t maps, size_t first, const norm_affine *affine,
                             const void *_Nullable ahead);

  /// dn is dy times the activation's slope at n.
  norm_gradient_sums (*_Nonnull plane_gradient_sums)(const norm_form *form, const void *dy, const void *x,
                                                     const void *_Nullable residual, size_t count,
                                                     const norm_affine *affine, const norm_slope *slope);

  /// The same for all maps of some pixels, added to what is there.
  void (*_Nonnull pixel_gradient_sums)(const norm_form *form, const void *dy, const void *x,
                                       const void *_Nullable residual, size_t pixels, size_t maps, size_t readable,
                                       const norm_affine *affine, const norm_slope *slope, double *sum,
                                       double *product, float *largest);

  /// dx and, where `dr` is not null, dn. `gain` is the affine's.
  void (*_Nonnull gradient)(const norm_form *form, const void *dy, const void *x, const void *_Nullable residual,
                            void *dx, void *_Nullable dr, size_t count, size_t maps, size_t first,
                            const norm_affine *affine, const norm_slope *slope);
} norm_kernels;

/// The tables compiled for this architecture, the fastest first; null beyond the last.
const norm_kernels *_Nullable norm_kernels_at(size_t index);

#pragma clang assume_nonnull end

#endif
