// What a kernel is told beside its memory. These declarations are read three times: by Swift, by OpenCL's compiler and
// by CUDA's, in all of which int has 32 bits and long 64. Numbers in float64 are passed as their bits, since some GPUs
// have no such type.

#ifndef KERNEL_CALLS_H
#define KERNEL_CALLS_H

/// What a parameter has a value for.
enum { GRAIN_NONE, GRAIN_MAP, GRAIN_PLANE, GRAIN_ELEMENT };

enum { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_LEAKY_RELU };

/// The types of values in memory.
#define TYPE_FLOAT16 0
#define TYPE_BFLOAT16 1
#define TYPE_FLOAT32 2
#define TYPE_FLOAT64 3

/// Bytes of a block's shared memory: what a thread has for sums, what a plane has for its numbers, and how many bytes
/// are moved at once.
#define SUM_BYTES 16
#define PLANE_BYTES 112
#define VECTOR_BYTES 16

/// Threads of a block on CUDA, at most: with more, there would be too few registers for each.
#define THREAD_LIMIT 512

enum { ELEMENTWISE_ADD, ELEMENTWISE_SUBTRACT, ELEMENTWISE_MULTIPLY };

enum { POINTWISE_RELU, POINTWISE_LEAKY_RELU, POINTWISE_TANH };

/// A normalisation, forward or backward, and the tiles that it is cut into. A tile is `length` places of `width`
/// neighbouring planes; a plane's tiles are its pieces.
typedef struct {
  /// N.
  long images;
  /// C.
  long maps;
  /// H W.
  long size;
  /// Whether the maps of a place lie together (NHWC), or the places of a map (NCHW).
  int mapsLast;
  /// Planes of a tile. The last ones of a picture (NHWC) or of the part (NCHW) may have fewer.
  int width;
  /// Threads that share a plane: a power of two.
  int team;
  /// Places of a piece. The last one of a plane may have fewer.
  int length;
  /// Pieces of a plane.
  long pieces;
  /// The first of the planes that this launch is about, and how many these are. Whole pictures where maps are last.
  long firstPlane;
  long planeCount;
  /// Planes that share their moments: `setCount` sets of `setWidth` planes, `setStep` apart, from the `firstSet`th.
  long firstSet;
  long setCount;
  long setWidth;
  long setStep;
  /// How many planes each of these stands for, where planes that share and lie together were taken as one.
  long spread;
  /// Whether the gradient takes off means over the planes that share; not where statistics were given.
  int isOwn;
  int scaleGrain;
  int biasGrain;
  int activation;
  /// Whether there is a residual, and whether it is added before the activation.
  int hasResidual;
  int residualFirst;
  /// What is asked for: y or dx, and dn.
  int writesOutput;
  int writesResidual;
  /// float64, as bits.
  unsigned long slope;
  unsigned long epsilon;
  /// Of gradients that are added to others: new ones times alpha, old ones times beta.
  unsigned long alpha;
  unsigned long beta;
} NormKernelCall;

/// Work on values that have nothing to do with their neighbours.
typedef struct {
  long count;
  /// An ELEMENTWISE, a POINTWISE or nothing.
  int operation;
  int unused;
  /// float64, as bits: what each operation says.
  unsigned long a;
  unsigned long b;
  unsigned long c;
  unsigned long d;
} ElementKernelCall;

/// A conversion between types and layouts.
typedef struct {
  long count;
  long maps;
  long size;
  int sourceType;
  int targetType;
  int sourceMapsLast;
  int targetMapsLast;
} ConvertKernelCall;

/// One step of Adam; float64, as bits.
typedef struct {
  long count;
  unsigned long beta1;
  unsigned long beta2;
  /// 1 - beta^t.
  unsigned long correction1;
  unsigned long correction2;
  unsigned long learnRate;
  unsigned long epsilon;
} AdamKernelCall;

/// target = alpha (first second) + beta target, for matrices whose rows and columns are so far apart.
typedef struct {
  long rows;
  long columns;
  long inner;
  long firstOffset;
  long firstRow;
  long firstColumn;
  long secondOffset;
  long secondRow;
  long secondColumn;
  int firstType;
  int secondType;
  int targetType;
  int unused;
  unsigned long alpha;
  unsigned long beta;
} MatrixKernelCall;

/// Sums and statistics of maps: (N, C) float64 to (C) and back.
typedef struct {
  long images;
  long maps;
  /// Which row of (2, N, C) sums.
  long row;
  /// Values that a mean is of.
  long count;
  int targetType;
  int unused;
  /// float64, as bits: alpha and beta, or momentum and epsilon.
  unsigned long a;
  unsigned long b;
} MapKernelCall;

#endif
