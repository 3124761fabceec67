// The texts of the kernels, as they are in the files beside this one.

#include "CGPUKernels.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char prelude_opencl[] = {
#embed "Kernels/prelude_opencl.h"
  , 0};
static const char calls[] = {
#embed "include/KernelCalls.h"
  , 0};
static const char values[] = {
#embed "Kernels/values.h"
  , 0};
static const char numbers[] = {
#embed "Kernels/numbers.h"
  , 0};
static const char normalization[] = {
#embed "Kernels/normalization.h"
  , 0};
static const char gradient[] = {
#embed "Kernels/gradient.h"
  , 0};
static const char elementwise[] = {
#embed "Kernels/elementwise.h"
  , 0};

const char *const kernel_prelude_opencl = prelude_opencl;

static const char *const sources[] = {calls, values, numbers, normalization, gradient, elementwise};
const int kernel_source_count = sizeof sources / sizeof *sources;
const char *kernel_source(int index) { return sources[index]; }

static const char ptx_float16[] = {
#embed "PTX/float16.ptx"
  , 0};
static const char ptx_bfloat16[] = {
#embed "PTX/bfloat16.ptx"
  , 0};
static const char ptx_float32[] = {
#embed "PTX/float32.ptx"
  , 0};
static const char ptx_float64[] = {
#embed "PTX/float64.ptx"
  , 0};

const char *kernel_ptx(int type) {
  switch (type) {
  case TYPE_FLOAT16: return ptx_float16;
  case TYPE_BFLOAT16: return ptx_bfloat16;
  case TYPE_FLOAT64: return ptx_float64;
  default: return ptx_float32;
  }
}
