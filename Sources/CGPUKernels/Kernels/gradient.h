// The gradient of normalisation: with dn = dy times the activation's slope, sums over each plane of dn and dn xhat, and
//
//     dx = invStd (scale dn - mean of (scale dn) - xhat mean of (scale dn xhat))
//
// The same ways as forward: tiles that are whole planes at once, others in three steps.

/// dn, and where each place has its own scale that times dn.
typedef struct {
  REAL gradient;
  REAL scaled;
  REAL xhat;
} Gradient;

/// dy times the activation's slope at scale xhat + bias.
INLINE REAL activation_gradient(
    PASSED(NormKernelCall) call, REAL dy, REAL xhat, REAL scale, REAL bias, REAL added, REAL slope) {
  if (!call.isRectified) return dy;
  REAL n = fma(xhat, scale, bias);
  if (call.hasResidual && call.residualFirst) n += added;
  return rectified_gradient(dy, n, slope);
}

INLINE Gradient gradient_of(PASSED(NormKernelCall) call, Affine affine, REAL dy, REAL x, REAL added, REAL slope) {
  Gradient result;
  result.xhat = xhat_of(affine, x);
  result.gradient = activation_gradient(call, dy, result.xhat, affine.scale, affine.bias, added, slope);
  result.scaled = call.scaleGrain == GRAIN_ELEMENT ? result.gradient * affine.scale : result.gradient;
  return result;
}

/// Whether the residual decides the activation's slope.
INLINE int reads_residual(PASSED(NormKernelCall) call) {
  return call.hasResidual && call.residualFirst && call.isRectified;
}

typedef struct {
  number gradient;
  number product;
  /// The exponent of the largest magnitude of dy.
  int exponent;
} Sums;

/// The sums of a thread's plane within the tile. Every thread of the block has to call it.
CALLED Sums sums_of(
    Tile tile, PASSED(NormKernelCall) call, LOCAL const VALUE *gradients, LOCAL const VALUE *values,
    GLOBAL const VALUE *residual, GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias,
    LOCAL const REAL *fields, LOCAL ulong *room) {
  MAGNITUDE largest = 0;
  if (tile.isWorking) {
    for (int place = tile.member; place < tile.length; place += call.team) {
      MAGNITUDE bits = magnitude_bits(real_of(gradients[shared_index(tile, place)]));
      if (bits > largest) largest = bits;
    }
  }
  largest = team_largest(tile, call, largest, (LOCAL MAGNITUDE *)room);
  Sums sums;
  sums.exponent = exponent_of_magnitude(largest);
  REAL prescale = power_of_two(-sums.exponent);

  REAL slope = real_of_number(number_of_bits(call.slope), 0);
  int isByElement = call.scaleGrain == GRAIN_ELEMENT || call.biasGrain == GRAIN_ELEMENT;
  wide first = wide_of(0), second = wide_of(0);
  if (tile.isWorking) {
    Affine affine = get_affine(fields, call.width, tile.lane);
    for (int place = tile.member; place < tile.length;) {
      // What rounding takes off the sum is summed too (Knuth's), so that a constant gradient has its value as mean.
      REAL run = 0, lost = 0, runOfProducts = 0;
      for (int k = 0; k < RUN && place < tile.length; k++, place += call.team) {
        int index = shared_index(tile, place);
        if (isByElement) {
          long element = tile.start + place;
          affine.scale = place_parameter(scale, call.scaleGrain, affine.scale, tile, call, tile.lane, element);
          affine.bias = place_parameter(bias, call.biasGrain, affine.bias, tile, call, tile.lane, element);
        }
        REAL added = reads_residual(call) ? real_of(residual[value_index(tile, call, tile.lane, place)]) : 0;
        Gradient one = gradient_of(
            call, affine, real_of(gradients[index]) * prescale, real_of(values[index]), added, slope);
        REAL next = run + one.scaled, part = next - run;
        lost += (run - (next - part)) + (one.scaled - part);
        run = next;
        runOfProducts = fma(one.scaled, one.xhat, runOfProducts);
      }
      first = wide_add(first, wide_add(wide_of(run), wide_of(lost)));
      second = wide_add(second, wide_of(runOfProducts));
    }
  }
  team_sums(tile, call, &first, &second, (LOCAL wide *)room);
  sums.gradient = number_of_wide(first, sums.exponent);
  sums.product = number_of_wide(second, sums.exponent);
  return sums;
}

/// How dn and xhat become dx: dx = (a (dn prescale - shift) - b - c xhat) factor1 factor2.
typedef struct {
  REAL prescale;
  REAL shift;
  REAL a;
  REAL b;
  REAL c;
  REAL factor1;
  REAL factor2;
} Combination;

/// From the two means and the exponent of the plane's largest dy. Of the terms the largest is brought to a magnitude
/// near 1, and the result back.
///
/// A plane that shares with no other has the means of dn and of dn xhat, and its mean is taken off before anything is
/// multiplied, so that a constant gradient becomes 0 exactly. Where planes share, means are of (scale dn).
CALLED Combination combination_of(
    PASSED(NormKernelCall) call, number mean, number product, ulong inverseBits, REAL scale, int exponent) {
  number inverse = number_of_bits(inverseBits);
  number a = call.scaleGrain == GRAIN_ELEMENT ? inverse : number_multiply(inverse, number_of(scale));
  int isAlone = call.setWidth == 1;
  number b = isAlone ? number_of(0) : number_multiply(mean, inverse);
  number c = number_multiply(product, isAlone ? a : inverse);
  int largest = a.exponent + exponent;
  if (number_is_zero(a) || (!number_is_zero(b) && b.exponent > largest)) largest = b.exponent;
  if (!number_is_zero(c) && c.exponent > largest) largest = c.exponent;
  Combination result;
  result.prescale = power_of_two(-exponent);
  result.shift = isAlone ? real_of_number(mean, -exponent) : 0;
  result.a = real_of_number(a, exponent - largest);
  result.b = real_of_number(b, -largest);
  result.c = real_of_number(c, -largest);
  int first = within_limit(largest / 2);
  result.factor1 = power_of_two(first);
  result.factor2 = power_of_two(within_limit(largest - first));
  return result;
}

INLINE void put_combination(LOCAL REAL *fields, int width, int lane, Combination combination) {
  fields[6 * width + lane] = combination.prescale;
  fields[7 * width + lane] = combination.shift;
  fields[8 * width + lane] = combination.a;
  fields[9 * width + lane] = combination.b;
  fields[10 * width + lane] = combination.c;
  fields[11 * width + lane] = combination.factor1;
  fields[12 * width + lane] = combination.factor2;
}

INLINE Combination get_combination(LOCAL const REAL *fields, int width, int lane) {
  Combination combination;
  combination.prescale = fields[6 * width + lane];
  combination.shift = fields[7 * width + lane];
  combination.a = fields[8 * width + lane];
  combination.b = fields[9 * width + lane];
  combination.c = fields[10 * width + lane];
  combination.factor1 = fields[11 * width + lane];
  combination.factor2 = fields[12 * width + lane];
  return combination;
}

/// Makes dn of a vector's dy; `fields` begin at its first plane's.
INLINE void make_gradients(
    PASSED(NormKernelCall) call, LOCAL const REAL *fields, const REAL *added, REAL slope, const REAL *xhats,
    REAL *gradients) {
  if (!call.isRectified) return;
  REAL scales[LANES], biases[LANES];
  field_values(fields + 4 * call.width, !call.mapsLast, scales);
  field_values(fields + 5 * call.width, !call.mapsLast, biases);
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    REAL other = reads_residual(call) ? added[k] : 0;
    gradients[k] = activation_gradient(call, gradients[k], xhats[k], scales[k], biases[k], other, slope);
  }
}

/// Makes dx of a vector's xhat and dn; `fields` begin at its first plane's.
INLINE void combine_gradients(
    LOCAL const REAL *fields, int width, int isOfOne, const REAL *gradients, REAL *values) {
  REAL first[LANES], second[LANES], distances[LANES];
  field_values(fields + 6 * width, isOfOne, first);
  field_values(fields + 7 * width, isOfOne, second);
#pragma unroll
  for (int k = 0; k < LANES; k++) distances[k] = fma(gradients[k], first[k], -second[k]);
  field_values(fields + 10 * width, isOfOne, first);
  field_values(fields + 9 * width, isOfOne, second);
#pragma unroll
  for (int k = 0; k < LANES; k++) values[k] = -fma(values[k], first[k], second[k]);
  field_values(fields + 8 * width, isOfOne, first);
#pragma unroll
  for (int k = 0; k < LANES; k++) values[k] = fma(first[k], distances[k], values[k]);
  field_values(fields + 11 * width, isOfOne, first);
  field_values(fields + 12 * width, isOfOne, second);
#pragma unroll
  for (int k = 0; k < LANES; k++) values[k] = values[k] * first[k] * second[k];
}

/// Writes dx and dn of a tile, from shared memory or, where that is null, from the tensors.
INLINE void write_gradient(
    Tile tile, PASSED(NormKernelCall) call, LOCAL const uint4 *gradientCopy, LOCAL const uint4 *copy,
    GLOBAL const uint4 *gradient, GLOBAL const uint4 *input, GLOBAL const uint4 *residual,
    GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias, LOCAL const REAL *fields,
    GLOBAL uint4 *inputGradient, GLOBAL uint4 *residualGradient) {
  REAL slope = real_of_number(number_of_bits(call.slope), 0);
  int isByElement = call.scaleGrain == GRAIN_ELEMENT || call.biasGrain == GRAIN_ELEMENT;
  int isEven = is_even(tile, call);
  int count = tile.rows * tile.vectors;
#pragma unroll 1
  for (int slot = THREAD; slot < count; slot += THREADS) {
    Vector vector = vector_of(tile, call, slot);
    if (vector.high <= 0) continue;
    REAL values[LANES], gradients[LANES], added[LANES];
    unpack(copy ? copy[slot] : input[vector.index], values);
    unpack(gradientCopy ? gradientCopy[slot] : gradient[vector.index], gradients);
    if (reads_residual(call)) unpack(residual[vector.index], added);
    int lane = vector.lane;
    long place = vector.place;
    if (isEven && vector.low == 0 && vector.high == LANES) {
      LOCAL const REAL *own = fields + lane;
      make_xhats(own, call.width, !call.mapsLast, values);
      make_gradients(call, own, added, slope, values, gradients);
      if (call.writesResidual) residualGradient[vector.index] = pack(gradients);
      combine_gradients(own, call.width, !call.mapsLast, gradients, values);
      inputGradient[vector.index] = pack(values);
      continue;
    }
    Affine affine = get_affine(fields, call.width, lane);
    Combination combination = get_combination(fields, call.width, lane);
    int isUniform = !call.mapsLast && (tile.width == 1 || place + LANES <= tile.length);
#pragma unroll
    for (int k = 0; k < LANES; k++) {
      if (k < vector.low || k >= vector.high) continue;
      if (!isUniform && k > vector.low) {
        affine = get_affine(fields, call.width, lane);
        combination = get_combination(fields, call.width, lane);
      }
      if (isByElement) {
        affine.scale = place_parameter(scale, call.scaleGrain, affine.scale, tile, call, lane, place);
        affine.bias = place_parameter(bias, call.biasGrain, affine.bias, tile, call, lane, place);
      }
      REAL other = reads_residual(call) ? added[k] : 0;
      Gradient one = gradient_of(call, affine, gradients[k], values[k], other, slope);
      gradients[k] = one.gradient;
      REAL distance = fma(one.scaled, combination.prescale, -combination.shift);
      REAL sum = fma(combination.a, distance, -fma(one.xhat, combination.c, combination.b));
      values[k] = sum * combination.factor1 * combination.factor2;
      advance(tile, call, &lane, &place);
    }
    write_vector(inputGradient, vector, values);
    if (call.writesResidual) write_vector(residualGradient, vector, gradients);
  }
}

/// Planes that share with no other and fit: sums and result, each value read once.
KERNEL gradient_tiles(
    GLOBAL const uint4 *gradient, GLOBAL const uint4 *input, GLOBAL const uint4 *residual,
    GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias, GLOBAL const ulong *mean,
    GLOBAL const ulong *inverse, GLOBAL ulong *sums, GLOBAL uint4 *inputGradient, GLOBAL uint4 *residualGradient,
    ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  Tile tile = tile_of(call);
  LOCAL ulong *room = (LOCAL ulong *)SHARED_MEMORY;
  LOCAL uint4 *planes = SHARED_MEMORY + THREADS * (SUM_BYTES / VECTOR_BYTES);
  LOCAL uint4 *copy = planes + call.width * (PLANE_BYTES / VECTOR_BYTES);
  LOCAL uint4 *gradientCopy = copy + tile.rows * tile.vectors;
  LOCAL REAL *fields = (LOCAL REAL *)planes;

  read_tile(tile, input, copy);
  read_tile(tile, gradient, gradientCopy);
  long plane = tile.plane + tile.lane;
  int leads = tile.isWorking && tile.member == 0;
  ulong inverseBits = 0;
  if (leads) {
    inverseBits = inverse[plane];
    put_affine(
        fields, call.width, tile.lane,
        affine_of(
            mean[plane], inverseBits, parameter(scale, call.scaleGrain, 1, plane, call.maps),
            parameter(bias, call.biasGrain, 0, plane, call.maps)));
  }
  WAIT;
  Sums own = sums_of(
      tile, call, (LOCAL const VALUE *)gradientCopy, (LOCAL const VALUE *)copy, (GLOBAL const VALUE *)residual, scale,
      bias, fields, room);
  if (leads) {
    sums[plane] = bits_of_number(own.gradient);
    sums[call.images * call.maps + plane] = bits_of_number(own.product);
    number count = number_of_count(call.size);
    put_combination(
        fields, call.width, tile.lane,
        combination_of(
            call, number_divide(own.gradient, count), number_divide(own.product, count), inverseBits,
            parameter(scale, call.scaleGrain, 1, plane, call.maps), own.exponent));
  }
  WAIT;
  write_gradient(
      tile, call, gradientCopy, copy, gradient, input, residual, scale, bias, fields, inputGradient,
      residualGradient);
}

/// The sums of each plane's pieces, [plane][piece][2], and the exponents of their largest dy.
KERNEL tile_sums(
    GLOBAL const uint4 *gradient, GLOBAL const uint4 *input, GLOBAL const uint4 *residual,
    GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias, GLOBAL const ulong *mean,
    GLOBAL const ulong *inverse, GLOBAL ulong *partials, GLOBAL int *exponents,
    ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  Tile tile = tile_of(call);
  LOCAL ulong *room = (LOCAL ulong *)SHARED_MEMORY;
  LOCAL uint4 *planes = SHARED_MEMORY + THREADS * (SUM_BYTES / VECTOR_BYTES);
  LOCAL uint4 *copy = planes + call.width * (PLANE_BYTES / VECTOR_BYTES);
  LOCAL uint4 *gradientCopy = copy + tile.rows * tile.vectors;
  LOCAL REAL *fields = (LOCAL REAL *)planes;

  read_tile(tile, input, copy);
  read_tile(tile, gradient, gradientCopy);
  long plane = tile.plane + tile.lane;
  int leads = tile.isWorking && tile.member == 0;
  if (leads) {
    put_affine(
        fields, call.width, tile.lane,
        affine_of(
            mean[plane], inverse[plane], parameter(scale, call.scaleGrain, 1, plane, call.maps),
            parameter(bias, call.biasGrain, 0, plane, call.maps)));
  }
  WAIT;
  Sums own = sums_of(
      tile, call, (LOCAL const VALUE *)gradientCopy, (LOCAL const VALUE *)copy, (GLOBAL const VALUE *)residual, scale,
      bias, fields, room);
  if (leads) {
    long piece = (plane - call.firstPlane) * call.pieces + tile.start / call.length;
    partials[2 * piece] = bits_of_number(own.gradient);
    partials[2 * piece + 1] = bits_of_number(own.product);
    exponents[piece] = own.exponent;
  }
}

/// Adds the sums of pieces to those of planes, and takes the means over the planes that share: a block for each set.
///
/// A team of threads has a plane at a time: `team` threads for its pieces, and as many teams as there is room for.
KERNEL share_sums(
    GLOBAL const ulong *partials, GLOBAL const int *exponents, GLOBAL const PARAMETER *scale, GLOBAL ulong *sums,
    GLOBAL ulong *means, GLOBAL int *largest, ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  LOCAL number *room = (LOCAL number *)SHARED_MEMORY;
  LOCAL number *moreRoom = room + THREADS;
  LOCAL int *exponentRoom = (LOCAL int *)(moreRoom + THREADS);
  long set = call.firstSet + BLOCK;
  int teams = THREADS / call.team, own = THREAD / call.team, member = THREAD % call.team;
  long planes = call.images * call.maps;
  number totalGradient = number_of(0), totalProduct = number_of(0);
  for (long first = 0; first < call.setWidth; first += teams) {
    long index = first + own;
    int isThere = index < call.setWidth;
    long plane = isThere ? plane_of_item(call, set, index * call.pieces) : 0;
    number gradient = number_of(0), product = number_of(0);
    int exponent = -EXPONENT_LIMIT;
    if (isThere) {
      for (long piece = member; piece < call.pieces; piece += call.team) {
        long place = (plane - call.firstPlane) * call.pieces + piece;
        gradient = number_add(gradient, number_of_bits(partials[2 * place]));
        product = number_add(product, number_of_bits(partials[2 * place + 1]));
        exponent = max(exponent, exponents[place]);
      }
    }
    room[THREAD] = gradient;
    moreRoom[THREAD] = product;
    exponentRoom[THREAD] = exponent;
    for (int apart = call.team / 2; apart > 0; apart /= 2) {
      WAIT;
      if (member < apart) {
        room[THREAD] = number_add(room[THREAD], room[THREAD + apart]);
        moreRoom[THREAD] = number_add(moreRoom[THREAD], moreRoom[THREAD + apart]);
        exponentRoom[THREAD] = max(exponentRoom[THREAD], exponentRoom[THREAD + apart]);
      }
    }
    if (member == 0 && isThere) {
      gradient = room[THREAD];
      product = moreRoom[THREAD];
      sums[plane] = bits_of_number(gradient);
      sums[planes + plane] = bits_of_number(product);
      largest[plane] = exponentRoom[THREAD];
      if (call.setWidth > 1) {
        number factor = number_of(parameter(scale, call.scaleGrain, 1, plane, call.maps));
        gradient = number_multiply(gradient, factor);
        product = number_multiply(product, factor);
      }
      totalGradient = number_add(totalGradient, gradient);
      totalProduct = number_add(totalProduct, product);
    }
    WAIT;
  }
  if (!call.isOwn || !call.writesOutput) return;
  number count = number_of_count(call.setWidth * call.size);
  ulong gradientBits = bits_of_number(number_divide(block_sum(totalGradient, room), count));
  ulong productBits = bits_of_number(number_divide(block_sum(totalProduct, room), count));
  for (long index = THREAD; index < call.setWidth; index += THREADS) {
    long plane = plane_of_item(call, set, index * call.pieces);
    means[2 * plane] = gradientBits;
    means[2 * plane + 1] = productBits;
  }
}

/// dx and dn, from means that are there already.
KERNEL gradient_given(
    GLOBAL const uint4 *gradient, GLOBAL const uint4 *input, GLOBAL const uint4 *residual,
    GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias, GLOBAL const ulong *mean,
    GLOBAL const ulong *inverse, GLOBAL const ulong *means, GLOBAL const int *largest, GLOBAL uint4 *inputGradient,
    GLOBAL uint4 *residualGradient, ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  Tile tile = tile_of(call);
  LOCAL REAL *fields = (LOCAL REAL *)SHARED_MEMORY;
  for (int lane = THREAD; lane < tile.width; lane += THREADS) {
    long plane = tile.plane + lane;
    REAL factor = parameter(scale, call.scaleGrain, 1, plane, call.maps);
    put_affine(
        fields, call.width, lane,
        affine_of(mean[plane], inverse[plane], factor, parameter(bias, call.biasGrain, 0, plane, call.maps)));
    number first = call.isOwn ? number_of_bits(means[2 * plane]) : number_of(0);
    number second = call.isOwn ? number_of_bits(means[2 * plane + 1]) : number_of(0);
    put_combination(
        fields, call.width, lane, combination_of(call, first, second, inverse[plane], factor, largest[plane]));
  }
  WAIT;
  write_gradient(
      tile, call, 0, 0, gradient, input, residual, scale, bias, fields, inputGradient, residualGradient);
}

/// Gradients of parameters that have a value for each place: dn xhat and dn, added over the pictures.
KERNEL sum_by_element(
    GLOBAL const VALUE *gradient, GLOBAL const VALUE *input, GLOBAL const VALUE *residual,
    GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias, GLOBAL const ulong *mean,
    GLOBAL const ulong *inverse, GLOBAL PARAMETER *scaleGradient, GLOBAL PARAMETER *biasGradient,
    ARGUMENT(NormKernelCall) call) {
  long values = call.maps * call.size;
  long index = BLOCK * THREADS + THREAD;
  if (index >= values) return;
  long map = call.mapsLast ? index % call.maps : index / call.size;
  long place = call.mapsLast ? index / call.maps : index % call.size;
  long element = map * call.size + place;
  REAL slope = real_of_number(number_of_bits(call.slope), 0);
  wide sum = wide_of(0), products = wide_of(0);
  for (long image = 0; image < call.images; image++) {
    long plane = image * call.maps + map;
    REAL factor = call.scaleGrain == GRAIN_ELEMENT ? scale[element]
                                                   : parameter(scale, call.scaleGrain, 1, plane, call.maps);
    REAL offset = call.biasGrain == GRAIN_ELEMENT ? bias[element]
                                                  : parameter(bias, call.biasGrain, 0, plane, call.maps);
    Affine affine = affine_of(mean[plane], inverse[plane], factor, offset);
    long place = image * values + index;
    REAL added = reads_residual(call) ? real_of(residual[place]) : 0;
    Gradient one = gradient_of(call, affine, real_of(gradient[place]), real_of(input[place]), added, slope);
    sum = wide_add(sum, wide_of(one.gradient));
    products = wide_add(products, wide_multiply(wide_of(one.gradient), wide_of(one.xhat)));
  }
  scaleGradient[element] = real_of_wide(products);
  biasGradient[element] = real_of_wide(sum);
}
