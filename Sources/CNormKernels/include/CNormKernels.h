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

/// The statistics of planes, by plane, and what comes after them, by map: of the plane number i that is
/// (first + i) % maps. Null stands for scales of 1, and for biases of 0.
typedef struct norm_parameters {
  const double *mean, *inv_std;
  const float *_Nullable scale, *_Nullable bias;
  size_t first, maps;
} norm_parameters;

/// By plane: means over those that share their moments of (scale dn), of (scale dn) xhat, and the largest |dn|; or, where
/// planes do not share and `size` is not 0 but how many values they have, sums over each of dn and dn xhat.
typedef struct norm_means {
  const double *gradient, *product;
  const float *largest;
  double size;
} norm_means;

/// Room to work on a picture in, by map: float64 as long as whole vectors of 16, float32 and one vector more.
typedef struct norm_picture_room {
  double *sum, *product, *mean, *inv_std;
  float *shift, *largest;
  float *centre, *gain, *offset;
  float *slope_inv_std, *slope_centre, *slope_mean, *slope, *slope_offset;
} norm_picture_room;

/// Pictures whose maps alternate.
typedef struct norm_pictures {
  /// Of each; and how many maps that follow each other share their moments.
  size_t pixels, maps, width;
  /// How many pixels the first guess at a mean is made of.
  size_t samples;
  /// By map, of the first picture; null stands for ones and zeros.
  const float *_Nullable scale, *_Nullable bias;
  /// How far the next picture's are from these: 0 for the same.
  size_t step;
  const norm_picture_room *room;
} norm_pictures;

/// What values that lie together have in common, and a scale and a bias for each; null stands for ones and zeros.
typedef struct norm_elements {
  float shift, inv_std, centre;
  const float *_Nullable scale, *_Nullable bias;
} norm_elements;

/// The most values of a plane that is small, and of one whose moments are in float64 throughout with the maps last, too.
enum { norm_small_plane = 256, norm_few_pixels = 8 };

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

  /// The same for `maps` of the `all_maps` of some pixels, x being the first one's, added to what is there. `shift`, `sum`
  /// and `square` have room for a multiple of 16 maps, and `readable` values may be read from x on.
  void (*_Nonnull pixel_moments)(norm_type type, const void *x, size_t pixels, size_t maps, size_t all_maps,
                                 size_t readable, const float *shift, double *sum, double *square);

  /// The mean of some pixels by map, room for a multiple of 16: near the mean of all, and exactly a constant one's value.
  void (*_Nonnull pixel_shifts)(norm_type type, const void *x, size_t pixels, size_t maps, size_t samples,
                                float *shift);

  /// Means and variances of maps of at most norm_few_pixels pixels, in float64 throughout.
  void (*_Nonnull few_pixel_moments)(norm_type type, const void *x, size_t pixels, size_t maps, double *mean,
                                     double *variance);

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

  // Of `count` small planes that lie one after the other, each of `size` values.

  void (*_Nonnull planes_statistics)(norm_type type, const void *x, size_t size, size_t count, double epsilon,
                                     double *mean, double *inv_std);

  /// Adds the sums of x - shift and of its square over each plane to what is there, in arrays as long as whole vectors.
  void (*_Nonnull planes_moments)(norm_type type, const void *x, size_t size, size_t count, const float *shift,
                                  double *sum, double *square);

  // These three go in steps of 16 planes, and stop before a step with a plane that they would not do exactly: they return
  // how many they did.

  size_t (*_Nonnull normalize_planes)(const norm_form *form, const void *x, const void *_Nullable residual, void *y,
                                      size_t size, size_t count, const norm_parameters *parameters);

  /// Adds to what is there; of `largest`, it is the larger.
  size_t (*_Nonnull planes_gradient_sums)(const norm_form *form, const void *dy, const void *x,
                                          const void *_Nullable residual, size_t size, size_t count,
                                          const norm_parameters *parameters, double *sum, double *product,
                                          float *largest);

  /// Where dx is null, only finds out how many it would do.
  size_t (*_Nonnull planes_gradient)(const norm_form *form, const void *dy, const void *x,
                                     const void *_Nullable residual, void *_Nullable dx, void *_Nullable dr, size_t size,
                                     size_t count, const norm_parameters *parameters, const norm_means *means);

  // Of `count` pictures that lie one after the other. These two stop before a picture that they would not do exactly, and
  // return how many they did.

  /// y, which may be null, and the statistics by plane where they are wanted.
  size_t (*_Nonnull normalize_pictures)(const norm_form *form, const norm_pictures *pictures, const void *x,
                                        const void *_Nullable residual, void *_Nullable y, size_t count, double epsilon,
                                        double *_Nullable mean, double *_Nullable inv_std);

  /// dx and dn, which may be null, and the sums over each plane of dn and of dn xhat.
  size_t (*_Nonnull pictures_gradient)(const norm_form *form, const norm_pictures *pictures, const void *dy,
                                       const void *x, const void *_Nullable residual, void *_Nullable dx,
                                       void *_Nullable dr, size_t count, const double *mean, const double *inv_std,
                                       double *sum, double *product);

  // Of `count` values with xhat = (x - shift) inv_std + centre and n = xhat scale + bias.

  void (*_Nonnull normalize_elements)(const norm_form *form, const void *x, const void *_Nullable residual, void *y,
                                      size_t count, const norm_elements *elements);

  /// Of (scale dn), of (scale dn) xhat, and the largest |scale dn|.
  norm_gradient_sums (*_Nonnull element_gradient_sums)(const norm_form *form, const void *dy, const void *x,
                                                       const void *_Nullable residual, size_t count,
                                                       const norm_elements *elements);

  /// dx = (scale dn - mean) inv_std + xhat slope and, where `dr` is not null, dn.
  void (*_Nonnull element_gradient)(const norm_form *form, const void *dy, const void *x,
                                    const void *_Nullable residual, void *dx, void *_Nullable dr, size_t count,
                                    const norm_elements *elements, float mean, float slope);

  /// Adds dn xhat and dn to what is there, in arrays as long as whole vectors.
  void (*_Nonnull add_element_gradients)(const norm_form *form, const void *dy, const void *x,
                                         const void *_Nullable residual, size_t count, const norm_elements *elements,
                                         double *scale, double *bias);

  // Parameters of `count` planes. Those that only the plain way does exactly get an offset of NaN, and are counted. Planes
  // whose statistics are NaN get a gain of NaN, too.

  size_t (*_Nonnull affines)(const norm_parameters *parameters, size_t count, float *shift, float *gain,
                             float *offset);
  void (*_Nonnull slopes)(const norm_parameters *parameters, size_t count, const float *shift, float *inv_std,
                          float *centre);
  size_t (*_Nonnull finish_slopes)(const norm_parameters *parameters, const norm_means *means, size_t count,
                                   const float *gain, float *mean, float *slope, float *offset);

  /// Means and variances from sums of x - shift and of its square over `count` planes. Returns whether a shift was so far
  /// off the mean that the variance may have lost digits.
  bool (*_Nonnull moments)(size_t count, double size, const float *shift, const double *sum, const double *square,
                           double *mean, double *variance);

  /// 1 / sqrt(variance + epsilon); 0 where that is a division by zero.
  void (*_Nonnull inverses)(size_t count, double epsilon, const double *variance, double *inv_std);
} norm_kernels;

/// The tables compiled for this architecture, the fastest first; null beyond the last.
const norm_kernels *_Nullable norm_kernels_at(size_t index);

#pragma clang assume_nonnull end

#endif
