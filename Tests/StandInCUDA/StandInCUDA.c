#include "StandInCUDA.h"
#include "CGPUKernels.h"
#include "OpenCL.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// X(number, name, words): what a driver says.
#define RESULTS(X) \
  X(0, SUCCESS, "no error") \
  X(1, INVALID_VALUE, "invalid argument") \
  X(2, OUT_OF_MEMORY, "out of memory") \
  X(3, NOT_INITIALIZED, "initialization error") \
  X(100, NO_DEVICE, "no CUDA-capable device is detected") \
  X(101, INVALID_DEVICE, "invalid device ordinal") \
  X(201, INVALID_CONTEXT, "invalid device context") \
  X(218, INVALID_PTX, "a PTX JIT compilation failed") \
  X(222, UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain.") \
  X(400, INVALID_HANDLE, "invalid resource handle") \
  X(500, NOT_FOUND, "named symbol not found") \
  X(600, NOT_READY, "device not ready") \
  X(700, ILLEGAL_ADDRESS, "an illegal memory access was encountered") \
  X(701, LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch") \
  X(719, LAUNCH_FAILED, "unspecified launch failure")

typedef enum {
#define RESULT(number, name, words) name = number,
  RESULTS(RESULT)
#undef RESULT
} Result;

typedef struct Allocation {
  struct Allocation *next;
  char *address;
  size_t byteCount;
} Allocation;

/// A device and its primary context.
typedef struct {
  int retained;
  size_t byteLimit;
  size_t byteCount;
  Allocation *allocations;
  /// Kernels and copies until one breaks the context; negative for none.
  int callsLeft;
  Result breakage;
  /// What every call returns.
  Result broken;
  int isSlow;
} Device;

typedef struct {
  Device *device;
  cl_command_queue queue;
} Stream;

typedef struct {
  Device *device;
  Stream *stream;
  int isPast;
} Event;

typedef struct {
  Device *device;
  cl_program program;
} Module;

typedef struct Function {
  Device *device;
  cl_kernel kernel;
  unsigned sharedLimit;
  struct Function *next;
} Function;

// One lock for everything: the stand-in need not be quick.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Device devices[STAND_IN_CUDA_DEVICES];
static cl_device_id computer;
static cl_context memory;
static int isInitialized;

static _Thread_local Device *current[16];
static _Thread_local int depth;

#define POINTER(result, name, parameters) static result(*name) parameters;
OPENCL_FUNCTIONS(POINTER)
#undef POINTER

/// Finds a device of OpenCL's with memory that the host can point to.
static void find_opencl(void) {
  for (int ordinal = 0; ordinal < STAND_IN_CUDA_DEVICES; ordinal++)
    devices[ordinal] = (Device){.byteLimit = (size_t)1 << 30, .callsLeft = -1};
  void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
#define FIND(result, name, parameters) \
  *(void **)&name = dlsym(library, #name); \
  if (!name) return;
  OPENCL_FUNCTIONS(FIND)
#undef FIND
  cl_platform_id platforms[16];
  unsigned platformCount = 0;
  if (clGetPlatformIDs(16, platforms, &platformCount) != 0) return;
  for (unsigned p = 0; p < platformCount && p < 16; p++) {
    cl_device_id found[16];
    unsigned count = 0;
    if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 16, found, &count) != 0) continue;
    for (unsigned d = 0; d < count && d < 16; d++) {
      uint64_t sharing = 0;
      if (clGetDeviceInfo(found[d], CL_DEVICE_SVM_CAPABILITIES, sizeof sharing, &sharing, NULL) != 0) continue;
      if (!(sharing & CL_DEVICE_SVM_COARSE_GRAIN_BUFFER)) continue;
      int error = 0;
      memory = clCreateContext(NULL, 1, &found[d], NULL, NULL, &error);
      computer = found[d];
      if (memory) return;
    }
  }
}

static void prepare(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_opencl);
}

static Device *current_device(void) { return depth > 0 ? current[depth - 1] : NULL; }

/// What a call returns that has no business in the current context, or that is made in a broken one.
static Result standing(const Device *owner) {
  const Device *device = current_device();
  if (!device || !device->retained) return INVALID_CONTEXT;
  if (owner != device) return INVALID_HANDLE;
  return device->broken;
}

/// Counts a kernel or a copy that has been queued.
static Result queued(Device *device) {
  if (device->callsLeft >= 0 && device->callsLeft-- == 0) device->broken = device->breakage;
  return SUCCESS;
}

static int is_allocated(const Device *device, const char *address, size_t byteCount) {
  for (const Allocation *a = device->allocations; a; a = a->next)
    if (address >= a->address && address + byteCount <= a->address + a->byteCount) return 1;
  return 0;
}

// MARK: The driver's functions

static Result cuInit(unsigned flags) {
  prepare();
  if (!memory) return NO_DEVICE;
  isInitialized = 1;
  return flags == 0 ? SUCCESS : INVALID_VALUE;
}

static Result cuDriverGetVersion(int *version) {
  *version = 12020;
  return SUCCESS;
}

static Result cuGetErrorName(unsigned result, const char **name) {
  switch (result) {
#define NAME(number, letters, words) \
  case number: *name = number == 0 ? "CUDA_SUCCESS" : "CUDA_ERROR_" #letters; return SUCCESS;
    RESULTS(NAME)
#undef NAME
  default: *name = NULL; return INVALID_VALUE;
  }
}

static Result cuGetErrorString(unsigned result, const char **string) {
  switch (result) {
#define WORDS(number, letters, words) \
  case number: *string = words; return SUCCESS;
    RESULTS(WORDS)
#undef WORDS
  default: *string = NULL; return INVALID_VALUE;
  }
}

static Result cuDeviceGetCount(int *count) {
  *count = STAND_IN_CUDA_SHOWN;
  return isInitialized ? SUCCESS : NOT_INITIALIZED;
}

static Result cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  if (!isInitialized) return NOT_INITIALIZED;
  return ordinal >= 0 && ordinal < STAND_IN_CUDA_DEVICES ? SUCCESS : INVALID_DEVICE;
}

static Result cuDeviceGetName(char *name, int capacity, int device) {
  snprintf(name, (size_t)capacity, "Stand-in %d", device);
  return SUCCESS;
}

static Result cuDeviceTotalMem_v2(size_t *byteCount, int device) {
  *byteCount = devices[device].byteLimit;
  return SUCCESS;
}

static Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  switch (attribute) {
  case 1: *value = 1024; return SUCCESS;         // threads of a block
  case 16: *value = 4; return SUCCESS;           // multiprocessors
  case 38: *value = 4 << 20; return SUCCESS;     // bytes of the second-level cache
  case 75: *value = 7; return SUCCESS;           // compute capability
  case 76: *value = 0; return SUCCESS;
  case 88: *value = 0; return SUCCESS;           // reads pageable memory
  case 97: *value = 96 << 10; return SUCCESS;    // bytes of shared memory, for those that ask
  default: return INVALID_VALUE;
  }
}

static Result cuDevicePrimaryCtxRetain(Device **context, int device) {
  devices[device].retained++;
  *context = &devices[device];
  return SUCCESS;
}

static Result cuDevicePrimaryCtxRelease_v2(int ordinal) {
  Device *device = &devices[ordinal];
  if (device->retained == 0) return INVALID_CONTEXT;
  if (--device->retained > 0) return SUCCESS;
  while (device->allocations) {
    Allocation *gone = device->allocations;
    device->allocations = gone->next;
    clSVMFree(memory, gone->address);
    free(gone);
  }
  *device = (Device){.byteLimit = device->byteLimit, .callsLeft = -1};
  return SUCCESS;
}

static Result cuCtxPushCurrent_v2(Device *context) {
  if (!context || !context->retained || depth == sizeof current / sizeof *current) return INVALID_CONTEXT;
  current[depth++] = context;
  return SUCCESS;
}

static Result cuCtxPopCurrent_v2(Device **context) {
  if (depth == 0) return INVALID_CONTEXT;
  *context = current[--depth];
  return SUCCESS;
}

static Result cuCtxGetCurrent(Device **context) {
  *context = current_device();
  return SUCCESS;
}

static Result cuStreamCreate(Stream **stream, unsigned flags) {
  (void)flags;
  Result result = standing(current_device());
  if (result != SUCCESS) return result;
  int error = 0;
  *stream = malloc(sizeof **stream);
  **stream = (Stream){current_device(), clCreateCommandQueue(memory, computer, 0, &error)};
  return error == 0 ? SUCCESS : OUT_OF_MEMORY;
}

static Result cuStreamSynchronize(Stream *stream) {
  clFinish(stream->queue);
  return standing(stream->device);
}

static Result cuStreamDestroy_v2(Stream *stream) {
  Result result = standing(stream->device);
  clFinish(stream->queue);
  clReleaseCommandQueue(stream->queue);
  free(stream);
  return result;
}

static Result cuEventCreate(Event **event, unsigned flags) {
  (void)flags;
  Result result = standing(current_device());
  if (result != SUCCESS) return result;
  *event = calloc(1, sizeof **event);
  (*event)->device = current_device();
  return SUCCESS;
}

static Result cuEventRecord(Event *event, Stream *stream) {
  if (stream->device != event->device) return INVALID_HANDLE;
  event->stream = stream;
  event->isPast = 0;
  return standing(event->device);
}

static Result cuEventSynchronize(Event *event) {
  if (event->stream) clFinish(event->stream->queue);
  event->isPast = 1;
  return standing(event->device);
}

static Result cuEventQuery(Event *event) {
  Result result = standing(event->device);
  if (result != SUCCESS) return result;
  if (event->device->isSlow && !event->isPast) return NOT_READY;
  return cuEventSynchronize(event);
}

static Result cuEventDestroy_v2(Event *event) {
  Result result = standing(event->device);
  free(event);
  return result;
}

static Result cuMemAlloc_v2(void **address, size_t byteCount) {
  Device *device = current_device();
  Result result = standing(device);
  if (result != SUCCESS) return result;
  if (byteCount == 0) return INVALID_VALUE;
  if (byteCount > device->byteLimit - device->byteCount) return OUT_OF_MEMORY;
  char *bytes = clSVMAlloc(memory, CL_MEM_READ_WRITE, byteCount, 0);
  if (!bytes) return OUT_OF_MEMORY;
  memset(bytes, 0xFF, byteCount);
  Allocation *allocation = malloc(sizeof *allocation);
  *allocation = (Allocation){device->allocations, bytes, byteCount};
  device->allocations = allocation;
  device->byteCount += byteCount;
  *address = bytes;
  return SUCCESS;
}

static Result cuMemFree_v2(char *address) {
  Device *device = current_device();
  Result result = standing(device);
  if (result != SUCCESS) return result;
  for (Allocation **link = &device->allocations; *link; link = &(*link)->next) {
    Allocation *gone = *link;
    if (gone->address != address) continue;
    *link = gone->next;
    device->byteCount -= gone->byteCount;
    clSVMFree(memory, gone->address);
    free(gone);
    return SUCCESS;
  }
  return INVALID_VALUE;
}

static Result cuMemcpyHtoDAsync_v2(char *target, const void *source, size_t byteCount, Stream *stream) {
  Result result = standing(stream->device);
  if (result != SUCCESS) return result;
  if (!is_allocated(stream->device, target, byteCount)) return INVALID_VALUE;
  clFinish(stream->queue);
  memcpy(target, source, byteCount);
  return queued(stream->device);
}

static Result cuMemcpyDtoHAsync_v2(void *target, const char *source, size_t byteCount, Stream *stream) {
  Result result = standing(stream->device);
  if (result != SUCCESS) return result;
  if (!is_allocated(stream->device, source, byteCount)) return INVALID_VALUE;
  clFinish(stream->queue);
  memcpy(target, source, byteCount);
  return queued(stream->device);
}

static Result cuMemcpyDtoDAsync_v2(char *target, const char *source, size_t byteCount, Stream *stream) {
  Result result = standing(stream->device);
  if (result != SUCCESS) return result;
  if (!is_allocated(stream->device, source, byteCount)) return INVALID_VALUE;
  if (!is_allocated(stream->device, target, byteCount)) return INVALID_VALUE;
  clFinish(stream->queue);
  memmove(target, source, byteCount);
  return queued(stream->device);
}

static Result cuPointerGetAttribute(unsigned *value, unsigned attribute, const char *address) {
  const Device *device = current_device();
  if (attribute != 2 || !device || !is_allocated(device, address, 1)) return INVALID_VALUE;
  *value = 2;
  return SUCCESS;
}

/// Compiles the package's kernels, whose PTX must be what it is given, to a program for all devices.
static Result cuModuleLoadDataEx(
  Module **module, const void *image, unsigned optionCount, const unsigned *options, void **values) {
  Result result = standing(current_device());
  if (result != SUCCESS) return result;
  char *log = NULL;
  size_t capacity = 0;
  for (unsigned option = 0; option < optionCount; option++) {
    if (options[option] == 5) log = values[option];
    if (options[option] == 6) capacity = (size_t)values[option];
  }

  int family = 0, type = TYPE_FLOAT16;
  while (family < FAMILY_COUNT && image != kernel_ptx(family, type)) {
    if (type++ < TYPE_FLOAT64) continue;
    type = TYPE_FLOAT16;
    family++;
  }
  if (family == FAMILY_COUNT) {
    if (log) snprintf(log, capacity, "the stand-in takes no PTX but the package's");
    return INVALID_PTX;
  }
  const char *texts[16] = {kernel_prelude_opencl};
  unsigned count = 1;
  while (count < 16 && (texts[count] = kernel_source(family, (int)count - 1))) count++;
  char arguments[128];
  snprintf(
    arguments, sizeof arguments, "-cl-std=CL1.2 -w -cl-opt-disable -cl-kernel-arg-info -DCALLS -DHAS_DOUBLE -DVALUE_TYPE=%d", type);
  int error = 0;
  cl_program program = clCreateProgramWithSource(memory, count, texts, NULL, &error);
  if (error == 0 && clBuildProgram(program, 1, &computer, arguments, NULL, NULL) != 0) {
    if (log) clGetProgramBuildInfo(program, computer, CL_PROGRAM_BUILD_LOG, capacity, log, NULL);
    clReleaseProgram(program);
    return INVALID_PTX;
  }
  *module = malloc(sizeof **module);
  **module = (Module){current_device(), program};
  return error == 0 ? SUCCESS : OUT_OF_MEMORY;
}

static Result cuModuleUnload(Module *module) {
  Result result = standing(module->device);
  clReleaseProgram(module->program);
  free(module);
  return result;
}

static Result cuModuleGetFunction(Function **function, Module *module, const char *name) {
  static Function *all;
  Result result = standing(module->device);
  if (result != SUCCESS) return result;
  int error = 0;
  cl_kernel kernel = clCreateKernel(module->program, name, &error);
  if (error != 0) return NOT_FOUND;
  *function = malloc(sizeof **function);
  // Nobody gives functions back; in this list no search for leaks finds them.
  **function = (Function){module->device, kernel, 48 << 10, all};
  all = *function;
  return SUCCESS;
}

static Result cuFuncSetAttribute(Function *function, unsigned attribute, int value) {
  Result result = standing(function->device);
  if (result != SUCCESS) return result;
  if (attribute != 8 || value > 96 << 10) return INVALID_VALUE;
  function->sharedLimit = (unsigned)value;
  return SUCCESS;
}

static size_t size_of_structure(cl_kernel kernel, unsigned argument) {
  static const struct {
    const char *name;
    size_t byteCount;
  } structures[] = {
    {"NormKernelCall", sizeof(NormKernelCall)},
    {"StatisticsKernelCall", sizeof(StatisticsKernelCall)},
    {"PointwiseKernelCall", sizeof(PointwiseKernelCall)},
    {"BinaryKernelCall", sizeof(BinaryKernelCall)},
    {"CombineKernelCall", sizeof(CombineKernelCall)},
    {"AdamKernelCall", sizeof(AdamKernelCall)},
    {"ReductionKernelCall", sizeof(ReductionKernelCall)},
    {"MatrixKernelCall", sizeof(MatrixKernelCall)},
    {"ConvolutionKernelCall", sizeof(ConvolutionKernelCall)},
    {"PoolingKernelCall", sizeof(PoolingKernelCall)},
    {"RearrangeKernelCall", sizeof(RearrangeKernelCall)},
    {"FillKernelCall", sizeof(FillKernelCall)},
  };
  char name[64] = "";
  clGetKernelArgInfo(kernel, argument, CL_KERNEL_ARG_TYPE_NAME, sizeof name, name, NULL);
  for (size_t index = 0; index < sizeof structures / sizeof *structures; index++)
    if (strcmp(name, structures[index].name) == 0) return structures[index].byteCount;
  return 0;
}

static Result cuLaunchKernel(
  Function *function, unsigned blocks, unsigned blocksY, unsigned blocksZ, unsigned threads, unsigned threadsY,
  unsigned threadsZ, unsigned sharedBytes, Stream *stream, void **arguments, void **extra) {
  Device *device = function->device;
  Result result = standing(device);
  if (result != SUCCESS) return result;
  if (stream->device != device) return INVALID_HANDLE;
  if (blocks == 0 || threads == 0 || threads > THREAD_LIMIT || extra || !arguments) return INVALID_VALUE;
  if (blocksY != 1 || blocksZ != 1 || threadsY != 1 || threadsZ != 1) return INVALID_VALUE;
  if (sharedBytes > function->sharedLimit) return INVALID_VALUE;

  unsigned count = 0;
  clGetKernelInfo(function->kernel, CL_KERNEL_NUM_ARGS, sizeof count, &count, NULL);
  for (unsigned index = 0; index < count; index++) {
    unsigned space = 0;
    clGetKernelArgInfo(function->kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof space, &space, NULL);
    int error;
    if (space == CL_KERNEL_ARG_ADDRESS_GLOBAL) {
      const char *address = *(char **)arguments[index];
      // As on a GPU, it is the kernel that fails then.
      if (address && !is_allocated(device, address, 1)) {
        device->broken = ILLEGAL_ADDRESS;
        return SUCCESS;
      }
      error = clSetKernelArgSVMPointer(function->kernel, index, address);
    } else if (space == CL_KERNEL_ARG_ADDRESS_LOCAL) {
      error = clSetKernelArg(function->kernel, index, sharedBytes > 0 ? sharedBytes : 16, NULL);
    } else {
      error = clSetKernelArg(
        function->kernel, index, size_of_structure(function->kernel, index), arguments[index]);
    }
    if (error != 0) return INVALID_VALUE;
  }
  size_t local = threads, global = (size_t)blocks * threads;
  if (clEnqueueNDRangeKernel(stream->queue, function->kernel, 1, NULL, &global, &local, 0, NULL, NULL) != 0)
    return LAUNCH_OUT_OF_RESOURCES;
  clFlush(stream->queue);
  return queued(device);
}

// MARK: The functions as the driver exports them

// X(name, parameters, arguments)
#define FUNCTIONS(X) \
  X(cuInit, (unsigned a), (a)) \
  X(cuDriverGetVersion, (int *a), (a)) \
  X(cuGetErrorName, (unsigned a, const char **b), (a, b)) \
  X(cuGetErrorString, (unsigned a, const char **b), (a, b)) \
  X(cuDeviceGetCount, (int *a), (a)) \
  X(cuDeviceGet, (int *a, int b), (a, b)) \
  X(cuDeviceGetName, (char *a, int b, int c), (a, b, c)) \
  X(cuDeviceTotalMem_v2, (size_t *a, int b), (a, b)) \
  X(cuDeviceGetAttribute, (int *a, int b, int c), (a, b, c)) \
  X(cuDevicePrimaryCtxRetain, (Device **a, int b), (a, b)) \
  X(cuDevicePrimaryCtxRelease_v2, (int a), (a)) \
  X(cuCtxPushCurrent_v2, (Device *a), (a)) \
  X(cuCtxPopCurrent_v2, (Device **a), (a)) \
  X(cuCtxGetCurrent, (Device **a), (a)) \
  X(cuStreamCreate, (Stream **a, unsigned b), (a, b)) \
  X(cuStreamSynchronize, (Stream *a), (a)) \
  X(cuStreamDestroy_v2, (Stream *a), (a)) \
  X(cuEventCreate, (Event **a, unsigned b), (a, b)) \
  X(cuEventRecord, (Event *a, Stream *b), (a, b)) \
  X(cuEventQuery, (Event *a), (a)) \
  X(cuEventSynchronize, (Event *a), (a)) \
  X(cuEventDestroy_v2, (Event *a), (a)) \
  X(cuMemAlloc_v2, (void **a, size_t b), (a, b)) \
  X(cuMemFree_v2, (char *a), (a)) \
  X(cuMemcpyHtoDAsync_v2, (char *a, const void *b, size_t c, Stream *d), (a, b, c, d)) \
  X(cuMemcpyDtoHAsync_v2, (void *a, const char *b, size_t c, Stream *d), (a, b, c, d)) \
  X(cuMemcpyDtoDAsync_v2, (char *a, const char *b, size_t c, Stream *d), (a, b, c, d)) \
  X(cuPointerGetAttribute, (unsigned *a, unsigned b, const char *c), (a, b, c)) \
  X(cuModuleLoadDataEx, (Module **a, const void *b, unsigned c, const unsigned *d, void **e), (a, b, c, d, e)) \
  X(cuModuleUnload, (Module *a), (a)) \
  X(cuModuleGetFunction, (Function **a, Module *b, const char *c), (a, b, c)) \
  X(cuFuncSetAttribute, (Function *a, unsigned b, int c), (a, b, c)) \
  X(cuLaunchKernel, \
    (Function *a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f, unsigned g, unsigned h, Stream *i, \
     void **j, void **k), \
    (a, b, c, d, e, f, g, h, i, j, k))

#define ENTRY(name, parameters, arguments) \
  static Result enter_##name parameters { \
    pthread_mutex_lock(&lock); \
    Result result = name arguments; \
    pthread_mutex_unlock(&lock); \
    return result; \
  }
FUNCTIONS(ENTRY)
#undef ENTRY

void *stand_in_cuda_symbol(const char *name) {
#define FIND(function, parameters, arguments) \
  if (strcmp(name, #function) == 0) return (void *)enter_##function;
  FUNCTIONS(FIND)
#undef FIND
  return NULL;
}

// MARK: What tests do to a device

int stand_in_cuda_is_there(void) {
  prepare();
  return memory != NULL;
}

void stand_in_cuda_set_memory(int ordinal, size_t byteCount) {
  prepare();
  pthread_mutex_lock(&lock);
  devices[ordinal].byteLimit = byteCount;
  pthread_mutex_unlock(&lock);
}

size_t stand_in_cuda_memory_in_use(int ordinal) {
  pthread_mutex_lock(&lock);
  size_t byteCount = devices[ordinal].byteCount;
  pthread_mutex_unlock(&lock);
  return byteCount;
}

void stand_in_cuda_break(int ordinal, int calls, unsigned error) {
  prepare();
  pthread_mutex_lock(&lock);
  devices[ordinal].callsLeft = calls;
  devices[ordinal].breakage = (Result)error;
  pthread_mutex_unlock(&lock);
}

void stand_in_cuda_set_slow(int ordinal, int isSlow) {
  prepare();
  pthread_mutex_lock(&lock);
  devices[ordinal].isSlow = isSlow;
  pthread_mutex_unlock(&lock);
}
