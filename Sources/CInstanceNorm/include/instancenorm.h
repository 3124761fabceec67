/*
 * Instance, layer, group and batch normalisation for C, and for whatever calls C. Link with libInstanceNormC.
 *
 * Data x of shape (N, C, spatial...), picture t and map i, plane (t, i) the values of one map of one picture:
 *
 *     mean[t,i] = mean of the plane                 var[t,i] = mean of (x - mean)^2         (biased)
 *     n         = scale[i] (x - mean) / sqrt(var + epsilon) + bias[i]
 *     y         = activation(n), activation(n) + residual or activation(n + residual)
 *
 * Of layer, group and batch normalisation the means are over all planes that share, which options->sharing says.
 *
 * All memory is the caller's and is neither kept nor freed. Pointers are aligned to their values' size. Outputs
 * lie apart from each other and from all inputs, but may take an input's place (the same address): y that of x or
 * residual, dx that of dy, x or residual, dresidual that of dy or residual, dscale that of scale and dbias that of
 * bias. A call's results have the same bits in place or not and for any number of threads. Any number of threads may
 * call at once.
 *
 * A call that cannot have the memory that it needs says so (INSTNORM_OUT_OF_MEMORY) and leaves the next one as it was.
 * It takes 28 KiB of its thread's stack at most, so that a stack of 32 KiB will do.
 *
 *     float x[2 * 3 * 64 * 64], y[2 * 3 * 64 * 64];
 *     ...
 *     instnorm_planes planes = {.images = 2, .maps = 3, .plane_size = 64 * 64};
 *     if (instnorm_forward(&planes, NULL, x, NULL, NULL, NULL, y, NULL, NULL) != INSTNORM_OK)
 *       fprintf(stderr, "%s\n", instnorm_last_error());
 */

#ifndef INSTANCENORM_H
#define INSTANCENORM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a function returns. */
typedef enum instnorm_status {
  INSTNORM_OK = 0,
  /* An argument is not what it has to be. Nothing was read or written. */
  INSTNORM_INVALID_ARGUMENT = 1,
  /* Outputs may be written in part. */
  INSTNORM_OUT_OF_MEMORY = 2
} instnorm_status;

typedef enum instnorm_dtype {
  INSTNORM_FLOAT32 = 0,
  INSTNORM_FLOAT16 = 1,
  INSTNORM_BFLOAT16 = 2,
  INSTNORM_FLOAT64 = 3
} instnorm_dtype;

typedef enum instnorm_layout {
  /* A plane's values lie together: (N, C, spatial...) row by row. */
  INSTNORM_NCHW = 0,
  /* The maps of a pixel lie together: (N, spatial..., C), "channels last". */
  INSTNORM_NHWC = 1
} instnorm_layout;

typedef enum instnorm_activation {
  INSTNORM_NO_ACTIVATION = 0,
  /* max(n, 0) */
  INSTNORM_RELU = 1,
  /* n where it is above 0, negative_slope n elsewhere */
  INSTNORM_LEAKY_RELU = 2
} instnorm_activation;

/* Where a residual is added. */
typedef enum instnorm_residual_place {
  /* y = activation(n) + residual */
  INSTNORM_AFTER_ACTIVATION = 0,
  /* y = activation(n + residual) */
  INSTNORM_BEFORE_ACTIVATION = 1
} instnorm_residual_place;

/* Which planes share their mean and variance. */
typedef enum instnorm_sharing {
  /* None: instance normalisation. */
  INSTNORM_INSTANCE = 0,
  /* All maps of a picture. */
  INSTNORM_LAYER = 1,
  /* Groups of neighbouring maps of a picture, options->groups of them. */
  INSTNORM_GROUP = 2,
  /* All pictures of a map: batch normalisation in training. */
  INSTNORM_BATCH = 3,
  /* None is taken: mean and inv_std are given, as of batch normalisation in evaluation. */
  INSTNORM_GIVEN = 4
} instnorm_sharing;

/* What scale and bias have values for. */
typedef enum instnorm_grain {
  /* Each map: C values. */
  INSTNORM_BY_MAP = 0,
  /* Each map of each picture: N C values, such as a style of each picture's own. */
  INSTNORM_BY_PLANE = 1,
  /* Each place of a picture: C plane_size values, map by map, as of layer normalisation by element. */
  INSTNORM_BY_ELEMENT = 2
} instnorm_grain;

/* Shape, type and order of the data. All of x, y, residual and their gradients have the same. */
typedef struct instnorm_planes {
  int64_t images;     /* N, 0 or more */
  int64_t maps;       /* C, 1 or more */
  int64_t plane_size; /* H W, or the product of however many spatial dimensions, 0 or more */
  instnorm_dtype dtype;
  instnorm_layout layout;
} instnorm_planes;

/* What can be left alone: NULL instead of it means the values that are written beside the members. */
typedef struct instnorm_options {
  double epsilon;                        /* 1e-5; 0 or more */
  instnorm_activation activation;        /* INSTNORM_NO_ACTIVATION */
  double negative_slope;                 /* 0.01; of leaky ReLU alone */
  instnorm_residual_place residual_place; /* INSTNORM_AFTER_ACTIVATION */
  int32_t threads;                       /* 0: one for each core; or how many at most, up to 256 */
  instnorm_sharing sharing;              /* INSTNORM_INSTANCE */
  int64_t groups;                        /* 1; of INSTNORM_GROUP alone, a divisor of C */
  instnorm_grain grain;                  /* INSTNORM_BY_MAP */
} instnorm_options;

/* The options that NULL stands for, to change some of. */
instnorm_options instnorm_default_options(void);

/*
 * y from x.
 *
 *   scale, bias    C values or as many as options->grain says, float64 for float64 data and float32 for all other; NULL
 *                  for 1 and 0
 *   residual       NULL for none
 *   mean, inv_std  receive N C values each, the mean of the planes that share and 1 / sqrt(var + epsilon); NULL where
 *                  they are not wanted. instnorm_backward takes them. With INSTNORM_GIVEN they are read.
 */
instnorm_status instnorm_forward(const instnorm_planes *planes, const instnorm_options *options, const void *x,
                                 const void *scale, const void *bias, const void *residual, void *y, double *mean,
                                 double *inv_std);

/*
 * The gradients of a loss from dy, its gradient by y.
 *
 *   x, scale, bias, residual, options  as they were forward. bias is looked at only where there is an activation, and
 *                                      residual only where it is added before one.
 *   mean, inv_std                      as instnorm_forward gave them
 *   dx                                 receives the gradient by x; NULL where it is not wanted
 *   dscale, dbias                      receive as many values as scale and bias have, typed as they are; NULL where they
 *                                      are not wanted. By element, both are or neither.
 *   dresidual                          receives the gradient by the residual; NULL where it is not wanted
 */
instnorm_status instnorm_backward(const instnorm_planes *planes, const instnorm_options *options, const void *dy,
                                  const void *x, const void *scale, const void *bias, const void *residual,
                                  const double *mean, const double *inv_std, void *dx, void *dscale, void *dbias,
                                  void *dresidual);

/* One line that says what was wrong with this thread's last call that failed; "" before any has. It stands until
 * this thread's next call that fails. */
const char *instnorm_last_error(void);

/* The instruction set that calls run on: "avx512", "avx2", "x86_64", "neon" or "plain". The environment variable
 * INSTNORM_ISA chooses another when the program starts. */
const char *instnorm_instruction_set(void);

/* Gives the memory that the library keeps for later calls back to the system. */
void instnorm_trim(void);

#ifdef __cplusplus
}
#endif

#endif
