// The kernels, written once over vectors of 16 values. Each instruction set's file defines ISA, HAS_FMA, HAS_HALF and
// COLUMNS, how many vectors of maps it has registers for, and includes this between its `#pragma clang attribute`s.
//
// Vectors are clang's: wider than the machine's registers, they become several. Functions take types and forms as
// constants and are inlined, so that the branches on them are gone from each loop.

#include "include/CNormKernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi"

#include "Vectors.h"
#include "Forms.h"
#include "Moments.h"
#include "Normalize.h"
#include "Gradients.h"
#include "Parameters.h"
#include "Rows.h"
#include "SmallPlanes.h"
#include "SmallPlaneGradients.h"
#include "ByElement.h"
#include "Pictures.h"
#include "FewPixels.h"

// MARK: - The table

#define STRING_(a) #a
#define STRING(a) STRING_(a)

const norm_kernels PASTE(norm_kernels, ISA) = {
    .name = STRING(ISA),
    .plane_moments = PASTE(plane_moments, ISA),
    .pixel_moments = PASTE(pixel_moments, ISA),
    .pixel_shifts = PASTE(pixel_shifts, ISA),
    .normalize = PASTE(normalize, ISA),
    .plane_gradient_sums = PASTE(plane_gradient_sums, ISA),
    .pixel_gradient_sums = PASTE(pixel_gradient_sums, ISA),
    .gradient = PASTE(gradient, ISA),
    .planes_statistics = PASTE(planes_statistics, ISA),
    .planes_moments = PASTE(planes_moments, ISA),
    .normalize_planes = PASTE(normalize_planes, ISA),
    .planes_gradient_sums = PASTE(planes_gradient_sums, ISA),
    .planes_gradient = PASTE(planes_gradient, ISA),
    .few_pixel_moments = PASTE(few_pixel_moments, ISA),
    .normalize_pictures = PASTE(normalize_pictures, ISA),
    .pictures_gradient = PASTE(pictures_gradient, ISA),
    .normalize_elements = PASTE(normalize_elements, ISA),
    .element_gradient_sums = PASTE(element_gradient_sums, ISA),
    .element_gradient = PASTE(element_gradient, ISA),
    .add_element_gradients = PASTE(add_element_gradients, ISA),
    .affines = PASTE(affines, ISA),
    .slopes = PASTE(slopes, ISA),
    .finish_slopes = PASTE(finish_slopes, ISA),
    .moments = PASTE(moments, ISA),
    .inverses = PASTE(inverses, ISA),
};
