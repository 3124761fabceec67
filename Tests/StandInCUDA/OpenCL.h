// The part of OpenCL that the stand-in stands on, declared here so that building it needs no headers of OpenCL's.

#include <stddef.h>
#include <stdint.h>

typedef struct Platform *cl_platform_id;
typedef struct DeviceID *cl_device_id;
typedef struct Context *cl_context;
typedef struct Queue *cl_command_queue;
typedef struct Program *cl_program;
typedef struct KernelObject *cl_kernel;

enum {
  CL_DEVICE_SVM_CAPABILITIES = 0x1053,
  CL_DEVICE_SVM_COARSE_GRAIN_BUFFER = 1,
  CL_PROGRAM_BUILD_LOG = 0x1183,
  CL_KERNEL_NUM_ARGS = 0x1191,
  CL_KERNEL_ARG_ADDRESS_QUALIFIER = 0x1196,
  CL_KERNEL_ARG_TYPE_NAME = 0x1198,
  CL_KERNEL_ARG_ADDRESS_GLOBAL = 0x119B,
  CL_KERNEL_ARG_ADDRESS_LOCAL = 0x119C,
  CL_MEM_READ_WRITE = 1,
};
static const uint64_t CL_DEVICE_TYPE_ALL = 0xFFFFFFFF;

// X(result, name, parameters)
#define OPENCL_FUNCTIONS(X) \
  X(int, clGetPlatformIDs, (unsigned, cl_platform_id *, unsigned *)) \
  X(int, clGetDeviceIDs, (cl_platform_id, uint64_t, unsigned, cl_device_id *, unsigned *)) \
  X(int, clGetDeviceInfo, (cl_device_id, unsigned, size_t, void *, size_t *)) \
  X(cl_context, clCreateContext, (const intptr_t *, unsigned, const cl_device_id *, void *, void *, int *)) \
  X(cl_command_queue, clCreateCommandQueue, (cl_context, cl_device_id, uint64_t, int *)) \
  X(int, clReleaseCommandQueue, (cl_command_queue)) \
  X(int, clFlush, (cl_command_queue)) \
  X(int, clFinish, (cl_command_queue)) \
  X(void *, clSVMAlloc, (cl_context, uint64_t, size_t, unsigned)) \
  X(void, clSVMFree, (cl_context, void *)) \
  X(cl_program, clCreateProgramWithSource, (cl_context, unsigned, const char **, const size_t *, int *)) \
  X(int, clBuildProgram, (cl_program, unsigned, const cl_device_id *, const char *, void *, void *)) \
  X(int, clGetProgramBuildInfo, (cl_program, cl_device_id, unsigned, size_t, void *, size_t *)) \
  X(int, clReleaseProgram, (cl_program)) \
  X(cl_kernel, clCreateKernel, (cl_program, const char *, int *)) \
  X(int, clReleaseKernel, (cl_kernel)) \
  X(int, clGetKernelInfo, (cl_kernel, unsigned, size_t, void *, size_t *)) \
  X(int, clGetKernelArgInfo, (cl_kernel, unsigned, unsigned, size_t, void *, size_t *)) \
  X(int, clSetKernelArg, (cl_kernel, unsigned, size_t, const void *)) \
  X(int, clSetKernelArgSVMPointer, (cl_kernel, unsigned, const void *)) \
  X(int, clEnqueueNDRangeKernel, \
    (cl_command_queue, cl_kernel, unsigned, const size_t *, const size_t *, const size_t *, unsigned, void *, void *))
