// What a kernel is told beside its memory. These declarations are read three times: by Swift, by OpenCL's compiler and
// by CUDA's, in all of which int has 32 bits and long 64. Numbers in float64 are passed as their bits, since some GPUs
// have no such type.

#ifndef KERNEL_CALLS_H
#define KERNEL_CALLS_H

/// What a parameter has a value for.
enum { GRAIN_NONE, GRAIN_MAP, GRAIN_PLANE, GRAIN_ELEMENT };

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

enum {
  /// `a` is the slope below 0.
  POINTWISE_RECTIFY,
  POINTWISE_TANH,
  POINTWISE_SIGMOID,
  POINTWISE_EXP,
  POINTWISE_LOG,
  POINTWISE_SQUARE_ROOT,
  POINTWISE_ABSOLUTE,
  POINTWISE_SQUARE,
  /// `a` and `b` are the least and the greatest value.
  POINTWISE_CLAMP,
  POINTWISE_SOFTPLUS,
  POINTWISE_GELU,
  POINTWISE_SILU,
  POINTWISE_NEGATE,
  POINTWISE_RECIPROCAL,
  /// a x + b.
  POINTWISE_AFFINE
};

enum {
  BINARY_ADD,
  BINARY_SUBTRACT,
  BINARY_MULTIPLY,
  BINARY_DIVIDE,
  BINARY_MAXIMUM,
  BINARY_MINIMUM,
  BINARY_GATE
};

enum { REDUCTION_SUM, REDUCTION_MEAN, REDUCTION_MAX };

/// A number for each axis: extents, or how far apart in memory neighbours are.
#define AXIS_LIMIT 8
typedef struct {
  long at[AXIS_LIMIT];
} AxisNumbers;

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
  /// Whether there is an activation.
  int isRectified;
  /// Whether there is a residual, and whether it is added before the activation.
  int hasResidual;
  int residualFirst;
  /// What is asked for: y or dx, and dn.
  int writesOutput;
  int writesResidual;
  /// float64, as bits.
  unsigned long slope;
  unsigned long epsilon;
} NormKernelCall;

typedef struct {
  /// Of 8 bytes each.
  long count;
  unsigned long pattern;
} FillKernelCall;

typedef struct {
  long count;
  /// A POINTWISE.
  int function;
  int unused;
  /// float64, as bits: what each function says.
  unsigned long a;
  unsigned long b;
} PointwiseKernelCall;

typedef struct {
  long count;
  /// A BINARY.
  int function;
  int axes;
  /// float64, as bits.
  unsigned long slope;
  /// Where each begins.
  long firstOffset;
  long secondOffset;
  long outputOffset;
  AxisNumbers extents;
  AxisNumbers first;
  AxisNumbers second;
  AxisNumbers output;
} BinaryKernelCall;

typedef struct {
  /// How many outputs there are, and of how many values each is.
  long outputs;
  long count;
  /// Pieces that these are in, and how many values each has; the last one may have fewer.
  long pieces;
  long length;
  /// What the mean is divided by.
  long divisor;
  /// Where input and output begin.
  long inputOffset;
  long outputOffset;
  /// A REDUCTION.
  int function;
  int inputType;
  int outputType;
  /// Whether outputs are results. If not, they are those of pieces, float64, [output][piece].
  int isLast;
  /// Threads that share a piece: a power of two.
  int team;
  /// Whether neighbouring threads have neighbouring outputs, or neighbouring values.
  int isInterleaved;
  int keptAxes;
  int reducedAxes;
  AxisNumbers kept;
  AxisNumbers keptInput;
  AxisNumbers output;
  AxisNumbers reduced;
  AxisNumbers reducedInput;
} ReductionKernelCall;

/// Where the first matrix begins, and how far apart in memory matrices, rows and columns are.
typedef struct {
  long offset;
  long batch;
  long row;
  long column;
  int type;
  int unused;
} MatrixSteps;

/// A block's tile of a product is as many rows as columns, and so are its threads.
#define MATRIX_TILE 64
#define MATRIX_SIDE 16
#define MATRIX_SHARED_BYTES 8320

/// target = alpha first second + beta target, for each matrix of a batch.
typedef struct {
  long batch;
  long rows;
  long columns;
  long inner;
  MatrixSteps first;
  MatrixSteps second;
  MatrixSteps target;
  /// float64, as bits.
  unsigned long alpha;
  unsigned long beta;
} MatrixKernelCall;

/// Where the first value of a tensor (N, C, H, W) is, and how far apart in memory neighbours are.
typedef struct {
  long offset;
  long image;
  long map;
  long row;
  long column;
  int type;
  int unused;
} PictureSteps;

enum { CONVOLUTION_FORWARD, CONVOLUTION_BY_DATA, CONVOLUTION_BY_WEIGHTS };

/// A convolution in one of its directions, as products of matrices: in each of the groups, of `rows` and `inner`, and of
/// `inner` and `columns`.
typedef struct {
  /// A CONVOLUTION.
  int direction;
  int hasBias;
  /// Where the bias begins.
  long biasOffset;
  long groups;
  long rows;
  long columns;
  long inner;
  /// Parts that the inner axis is in, each a multiple of a panel's depth but for the last one; with several, results are
  /// partial sums, float64, [piece][group][row][column].
  long pieces;
  long length;
  /// Maps of a group.
  long inputMaps;
  long outputMaps;
  long inputHeight;
  long inputWidth;
  long outputHeight;
  long outputWidth;
  long kernelHeight;
  long kernelWidth;
  long strideRows;
  long strideColumns;
  long dilationRows;
  long dilationColumns;
  long top;
  long left;
  /// Of the input, the weights (whose images are the output's maps) and the output.
  PictureSteps x;
  PictureSteps w;
  PictureSteps y;
} ConvolutionKernelCall;

/// What is at the greatest values of windows, or comes back from there.
typedef struct {
  int isScatter;
  /// Whether the maps of a place lie together (NHWC), or the places of a map (NCHW).
  int mapsLast;
  long images;
  long maps;
  long height;
  long width;
  /// Windows.
  long rows;
  long columns;
  long windowHeight;
  long windowWidth;
  long strideRows;
  long strideColumns;
  long top;
  long left;
  /// Where the pictures begin that choose the places; they lie as `picture` does.
  long chooserOffset;
  PictureSteps picture;
  PictureSteps pooled;
} PoolingKernelCall;

/// Values from one order, type and form to another.
typedef struct {
  long count;
  /// Where input and output begin.
  long inputOffset;
  long outputOffset;
  int axes;
  int inputType;
  int outputType;
  /// Whether any axis has weights.
  int hasWeights;
  AxisNumbers extents;
  AxisNumbers input;
  AxisNumbers output;
  /// Where the map of an axis has its starts, its sources and its weights; below 0 where there are none.
  AxisNumbers starts;
  AxisNumbers sources;
  AxisNumbers weights;
} RearrangeKernelCall;

/// target = a x + b target; float64, as bits.
typedef struct {
  long count;
  unsigned long a;
  unsigned long b;
} CombineKernelCall;

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

/// Running statistics of maps, (C) float64, and those of a call, (N, C) float64.
typedef struct {
  long images;
  long maps;
  /// Values that a mean is of.
  long count;
  /// float64, as bits.
  unsigned long momentum;
  unsigned long epsilon;
} StatisticsKernelCall;

#endif
