// The kernels, written once over vectors of 16 values, a file a family. Each instruction set's file defines ISA, HAS_FMA,
// HAS_HALF and the tiles of a product that fit its registers: up to MOST_VECTORS vectors of 16 maps and TILE_ROWS rows.

#include "include/CConvolutionKernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi"

#include "../CNormKernels/Vectors.h"

#include "Products.h"

#include "Dots.h"

#include "Winograd.h"

#include "Reading.h"

#define STRING_(a) #a
#define STRING(a) STRING_(a)

const convolution_kernels PASTE(convolution_kernels, ISA) = {
    .name = STRING(ISA),
    .panel_vectors = PASTE(panel_vectors, ISA),
    .multiply = PASTE(multiply, ISA),
    .correlate = PASTE(correlate, ISA),
    .dot = PASTE(dot, ISA),
    .read = PASTE(read, ISA),
    .winograd_input = PASTE(winograd_input, ISA),
    .winograd_weights = PASTE(winograd_weights, ISA),
    .winograd_output = PASTE(winograd_output, ISA),
    .winograd_gradient = PASTE(winograd_gradient, ISA),
    .winograd_gradient_output = PASTE(winograd_gradient_output, ISA),
    .add_shifted = PASTE(add_shifted, ISA),
};
