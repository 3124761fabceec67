// Normalisation. A block of threads has a tile: some places of some neighbouring planes. Where a tile is all of its
// planes, it is read into shared memory once, its moments are taken there, and it is normalised from there; else the
// moments of tiles are merged by another kernel before a third one normalises.
//
// Whatever the type and the layout, 16 bytes are moved at a time, from addresses that are a multiple of 16; what these
// have of neighbouring tiles is read and not used.

// MARK: Tiles

typedef struct {
  /// t C + i of the first plane, and how many planes there are.
  long plane;
  int width;
  /// The first place, and how many places there are.
  long start;
  int length;
  /// Where in the tensor the first value is.
  long base;
  /// Runs of values that lie together, how many each has, and how far apart they start.
  int rows;
  int rowLength;
  long pitch;
  /// Vectors that a row is in, at most.
  int vectors;
  /// Which of the tile's planes this thread works for, as which member of the team.
  int lane;
  int member;
  int isWorking;
  /// How far apart the threads of a team are.
  int stride;
  /// Where in the tile's copy in shared memory this thread's plane begins, and how far apart its places are, but for
  /// where in a vector a row begins, which is `phase` for the first row, and `turn` more, modulo LANES, for the next.
  int origin;
  int step;
  int phase;
  int turn;
} Tile;

CALLED Tile tile_of(PASSED(NormKernelCall) call) {
  Tile tile;
  long group = quotient(BLOCK, call.pieces);
  tile.start = (BLOCK - group * call.pieces) * call.length;
  tile.length = (int)min((long)call.length, call.size - tile.start);
  if (call.mapsLast) {
    long groups = (call.maps + call.width - 1) / call.width;
    long own = quotient(group, groups);
    long image = quotient(call.firstPlane, call.maps) + own;
    long map = (group - own * groups) * call.width;
    tile.plane = image * call.maps + map;
    tile.width = (int)min((long)call.width, call.maps - map);
    tile.base = (image * call.size + tile.start) * call.maps + map;
    tile.pitch = call.maps;
    int isWhole = tile.width == call.maps;
    tile.rows = isWhole ? 1 : tile.length;
    tile.rowLength = isWhole ? tile.length * tile.width : tile.width;
    tile.lane = THREAD % call.width;
    tile.member = THREAD / call.width;
    tile.stride = call.width;
  } else {
    tile.plane = call.firstPlane + group * call.width;
    tile.width = (int)min((long)call.width, call.firstPlane + call.planeCount - tile.plane);
    tile.base = tile.plane * call.size + tile.start;
    tile.pitch = 0;
    tile.rows = 1;
    tile.rowLength = tile.width * tile.length;
    tile.lane = THREAD / call.team;
    tile.member = THREAD % call.team;
    tile.stride = 1;
  }
  tile.phase = (int)(tile.base & (LANES - 1));
  tile.turn = tile.rows == 1 ? 0 : (int)(tile.pitch & (LANES - 1));
  tile.vectors = ((tile.turn == 0 ? tile.phase : LANES - 1) + tile.rowLength + LANES - 1) / LANES;
  tile.origin = call.mapsLast ? tile.lane : tile.lane * tile.length;
  tile.step = tile.rows > 1 ? tile.vectors * LANES : call.mapsLast ? tile.width : 1;
  tile.isWorking = tile.lane < tile.width && tile.member < call.team;
  return tile;
}

/// Where in the tensor a row's first value is.
INLINE long row_base(Tile tile, int row) { return tile.base + row * tile.pitch; }

/// Where in the tile's copy in shared memory a value of the thread's plane is.
INLINE int shared_index(Tile tile, int place) {
  return tile.origin + place * tile.step + ((tile.phase + place * tile.turn) & (LANES - 1));
}

/// Where in the tensor a value is.
INLINE long value_index(Tile tile, PASSED(NormKernelCall) call, int lane, int place) {
  return tile.base + (call.mapsLast ? place * call.maps + lane : lane * (long)tile.length + place);
}

/// Copies a tile to shared memory.
INLINE void read_tile(Tile tile, GLOBAL const uint4 *source, LOCAL uint4 *target) {
  int count = tile.rows * tile.vectors;
  if (tile.rows == 1) {
    GLOBAL const uint4 *first = source + (ulong)tile.base / LANES;
#pragma unroll 4
    for (int vector = THREAD; vector < count; vector += THREADS) target[vector] = first[vector];
    return;
  }
#pragma unroll 4
  for (int slot = THREAD; slot < count; slot += THREADS) {
    int row = slot / tile.vectors, vector = slot % tile.vectors;
    long base = row_base(tile, row);
    long index = (long)((ulong)base / LANES) + vector;
    // A row that begins at a multiple needs one vector less than one that does not.
    if (index * LANES < base + tile.rowLength) target[slot] = source[index];
  }
}

// MARK: What the threads of a team have together

/// The largest of a team's numbers, known to all of its threads. Every thread of the block has to call it.
CALLED MAGNITUDE team_largest(Tile tile, PASSED(NormKernelCall) call, MAGNITUDE value, LOCAL MAGNITUDE *room) {
  room[THREAD] = value;
  for (int apart = call.team / 2; apart > 0; apart /= 2) {
    WAIT;
    if (tile.isWorking && tile.member < apart) {
      MAGNITUDE other = room[THREAD + apart * tile.stride];
      if (other > room[THREAD]) room[THREAD] = other;
    }
  }
  WAIT;
  MAGNITUDE result = room[tile.isWorking ? THREAD - tile.member * tile.stride : 0];
  WAIT;
  return result;
}

/// Sums over a team, of pairs, in an order that its size alone decides.
CALLED void team_sums(Tile tile, PASSED(NormKernelCall) call, wide *first, wide *second, LOCAL wide *room) {
  room[THREAD] = *first;
  room[THREADS + THREAD] = *second;
  for (int apart = call.team / 2; apart > 0; apart /= 2) {
    WAIT;
    if (tile.isWorking && tile.member < apart) {
      int other = THREAD + apart * tile.stride;
      room[THREAD] = wide_add(room[THREAD], room[other]);
      room[THREADS + THREAD] = wide_add(room[THREADS + THREAD], room[THREADS + other]);
    }
  }
  WAIT;
  int leader = tile.isWorking ? THREAD - tile.member * tile.stride : 0;
  *first = room[leader];
  *second = room[THREADS + leader];
  WAIT;
}

// MARK: Moments

/// How many values are added in float32 in a row.
#define RUN 16

typedef struct {
  number mean;
  /// The root of the mean squared deviation.
  number deviation;
} Moments;

INLINE Moments not_a_number(void) {
  Moments moments;
  moments.mean = number_of((REAL)NAN);
  moments.deviation = moments.mean;
  return moments;
}

/// The moments of a thread's plane within the tile. Every thread of the block has to call it.
///
/// Values are brought to magnitudes below 4 by a power of two, so that no square leaves the range. Then their mean, and
/// about it the sums of deviations, which make up for its rounding, and of their squares.
CALLED Moments moments_of(Tile tile, PASSED(NormKernelCall) call, LOCAL const VALUE *values, LOCAL ulong *room) {
  MAGNITUDE largest = 0;
  // Those of float16 are far from the ends of float32's range as they are, and so are their squares; one that is not
  // finite makes NaN of the sums.
#if VALUE_TYPE != TYPE_FLOAT16
  if (tile.isWorking) {
    for (int place = tile.member; place < tile.length; place += call.team) {
      MAGNITUDE bits = magnitude_bits(real_of(values[shared_index(tile, place)]));
      if (bits > largest) largest = bits;
    }
  }
  largest = team_largest(tile, call, largest, (LOCAL MAGNITUDE *)room);
#endif
  int exponent = exponent_of_magnitude(largest);
  REAL scale = power_of_two(-exponent);

  wide count = wide_of_count(tile.length);
  wide total = wide_of(0), unused = wide_of(0);
  if (tile.isWorking) {
    for (int place = tile.member; place < tile.length;) {
      REAL run = 0;
      if (place + (RUN - 1) * call.team < tile.length) {
        // With the end out of sight, all can be fetched before they are added.
#pragma unroll
        for (int k = 0; k < RUN; k++) run += real_of(values[shared_index(tile, place + k * call.team)]) * scale;
        place += RUN * call.team;
      } else {
        for (; place < tile.length; place += call.team) run += real_of(values[shared_index(tile, place)]) * scale;
      }
      total = wide_add(total, wide_of(run));
    }
  }
  team_sums(tile, call, &total, &unused, (LOCAL wide *)room);
  REAL shift = real_of_wide(wide_divide(total, count));

  wide sum = wide_of(0), squares = wide_of(0);
  if (tile.isWorking) {
    for (int place = tile.member; place < tile.length;) {
      REAL run = 0, runOfSquares = 0;
      if (place + (RUN - 1) * call.team < tile.length) {
#pragma unroll
        for (int k = 0; k < RUN; k++) {
          REAL distance = fma(real_of(values[shared_index(tile, place + k * call.team)]), scale, -shift);
          run += distance;
          runOfSquares = fma(distance, distance, runOfSquares);
        }
        place += RUN * call.team;
      } else {
        for (; place < tile.length; place += call.team) {
          REAL distance = fma(real_of(values[shared_index(tile, place)]), scale, -shift);
          run += distance;
          runOfSquares = fma(distance, distance, runOfSquares);
        }
      }
      sum = wide_add(sum, wide_of(run));
      squares = wide_add(squares, wide_of(runOfSquares));
    }
  }
  team_sums(tile, call, &sum, &squares, (LOCAL wide *)room);
  if (largest >= REAL_INFINITE) return not_a_number();

  wide rest = wide_divide(sum, count);
  wide squaredDeviations = wide_add(squares, wide_negate(wide_multiply(sum, rest)));
  if (wide_is_negative(squaredDeviations)) squaredDeviations = wide_of(0);
  Moments moments;
  moments.mean = number_of_wide(wide_add(wide_of(shift), rest), exponent);
  moments.deviation =
      number_times_power(number_root(number_of_wide(wide_divide(squaredDeviations, count), 0)), exponent);
  return moments;
}

// MARK: Parameters

/// The value of a scale or a bias for a plane; 1 or 0 where each place has its own.
INLINE REAL parameter(GLOBAL const PARAMETER *values, int grain, REAL absent, long plane, long maps) {
  if (grain == GRAIN_MAP) return values[plane % maps];
  if (grain == GRAIN_PLANE) return values[plane];
  return absent;
}

/// How the values x of a plane become n: n = scale xhat + bias with xhat = (x prescale - shift) gain + offset. The
/// offset makes up for the shift's rounding. The prescale is a power of two near one over the mean or the deviation,
/// so that gain and difference are in range.
typedef struct {
  REAL prescale;
  REAL shift;
  REAL gain;
  REAL offset;
  REAL scale;
  REAL bias;
} Affine;

CALLED Affine affine_of(ulong meanBits, ulong inverseBits, REAL scale, REAL bias) {
  number mean = number_of_bits(meanBits), inverse = number_of_bits(inverseBits);
  int exponent = mean.exponent;
  if (number_is_zero(mean) || (!number_is_zero(inverse) && -inverse.exponent > exponent)) exponent = -inverse.exponent;
  exponent = within_limit(exponent);
  Affine affine;
  affine.prescale = power_of_two(-exponent);
  affine.shift = real_of_number(mean, -exponent);
  // An infinite gain would make NaN of a deviation of 0.
  affine.gain = fmin(real_of_number(inverse, exponent), REAL_LARGEST);
  if (!wide_is_finite(inverse.digits)) affine.gain = NAN;
  // What is no finite number has no rounding either.
  number rest = number_add(number_of(affine.shift), number_negate(number_times_power(mean, -exponent)));
  affine.offset = real_of_number(number_multiply(rest, number_times_power(inverse, exponent)), 0);
  affine.scale = scale;
  affine.bias = bias;
  return affine;
}

INLINE REAL xhat_of(Affine affine, REAL x) {
  return fma(fma(x, affine.prescale, -affine.shift), affine.gain, affine.offset);
}

/// Numbers of planes in shared memory: each field of all planes together, so that neighbours are read at once.
INLINE void put_affine(LOCAL REAL *fields, int width, int lane, Affine affine) {
  fields[lane] = affine.prescale;
  fields[width + lane] = affine.shift;
  fields[2 * width + lane] = affine.gain;
  fields[3 * width + lane] = affine.offset;
  fields[4 * width + lane] = affine.scale;
  fields[5 * width + lane] = affine.bias;
}

INLINE Affine get_affine(LOCAL const REAL *fields, int width, int lane) {
  Affine affine;
  affine.prescale = fields[lane];
  affine.shift = fields[width + lane];
  affine.gain = fields[2 * width + lane];
  affine.offset = fields[3 * width + lane];
  affine.scale = fields[4 * width + lane];
  affine.bias = fields[5 * width + lane];
  return affine;
}

/// A field of the planes that a vector's values are of: of one, or of neighbours. Theirs are read 16 bytes at a time,
/// since threads that each read every LANESth number would be in each other's way.
INLINE void field_values(LOCAL const REAL *field, int isOfOne, REAL *values) {
  if (isOfOne) {
    REAL value = field[0];
#pragma unroll
    for (int k = 0; k < LANES; k++) values[k] = value;
  } else {
#pragma unroll
    for (int k = 0; k < LANES; k += REALS) unpack_reals(*(LOCAL const uint4 *)(field + k), values + k);
  }
}

/// Makes xhat of a vector's values; `fields` begin at its first plane's.
INLINE void make_xhats(LOCAL const REAL *fields, int width, int isOfOne, REAL *values) {
  REAL first[LANES], second[LANES];
  field_values(fields, isOfOne, first);
  field_values(fields + width, isOfOne, second);
#pragma unroll
  for (int k = 0; k < LANES; k++) values[k] = fma(values[k], first[k], -second[k]);
  field_values(fields + 2 * width, isOfOne, first);
  field_values(fields + 3 * width, isOfOne, second);
#pragma unroll
  for (int k = 0; k < LANES; k++) values[k] = fma(values[k], first[k], second[k]);
}

// MARK: Going over a tile's vectors

/// A vector of a tile, and which of its values are the tile's.
typedef struct {
  /// Where in the tensor it is, in vectors, and where in shared memory.
  long index;
  int slot;
  /// Its values from `low` to before `high` are the tile's.
  int low;
  int high;
  /// Which plane of the tile and which place of the plane the value at `low` is of.
  int lane;
  long place;
} Vector;

INLINE Vector vector_of(Tile tile, PASSED(NormKernelCall) call, int slot) {
  Vector result;
  int row = 0, vector = slot;
  if (tile.rows > 1) {
    row = slot / tile.vectors;
    vector = slot % tile.vectors;
  }
  long base = row_base(tile, row);
  result.index = (long)((ulong)base / LANES) + vector;
  result.slot = slot;
  long first = result.index * LANES - base;
  result.low = first < 0 ? (int)-first : 0;
  result.high = (int)min((long)LANES, tile.rowLength - first);
  // What the first value is, counted from the row's start.
  int number = (int)first + result.low;
  if (tile.rows > 1) {
    result.lane = number;
    result.place = tile.start + row;
  } else if (call.mapsLast) {
    result.lane = number % tile.width;
    result.place = tile.start + number / tile.width;
  } else if (tile.width == 1) {
    result.lane = 0;
    result.place = tile.start + number;
  } else {
    result.lane = number / tile.length;
    result.place = number % tile.length;
  }
  return result;
}

/// Whether all vectors of a tile that are its own from end to end are of one plane, or of planes whose fields are in as
/// many 16 bytes each. The same for all of the block's threads, so that they go one way.
INLINE int is_even(Tile tile, PASSED(NormKernelCall) call) {
  if (call.scaleGrain == GRAIN_ELEMENT || call.biasGrain == GRAIN_ELEMENT) return 0;
  if (!call.mapsLast) return tile.width == 1 || tile.length % LANES == 0;
  return ((call.width | tile.width | tile.phase | tile.turn) & (LANES - 1)) == 0;
}

/// Goes on to the next value.
INLINE void advance(Tile tile, PASSED(NormKernelCall) call, int *lane, long *place) {
  if (call.mapsLast) {
    *lane += 1;
    if (*lane == tile.width) {
      *lane = 0;
      *place += 1;
    }
  } else {
    *place += 1;
    if (tile.width > 1 && *place == tile.length) {
      *place = 0;
      *lane += 1;
    }
  }
}

/// Writes what a vector has of the tile.
INLINE void write_vector(GLOBAL uint4 *target, Vector vector, const REAL *values) {
  if (vector.low == 0 && vector.high == LANES) {
    target[vector.index] = pack(values);
    return;
  }
  GLOBAL VALUE *single = (GLOBAL VALUE *)target + vector.index * LANES;
#pragma unroll
  for (int k = 0; k < LANES; k++) {
    if (k >= vector.low && k < vector.high) single[k] = value_of(values[k]);
  }
}

/// A parameter that each place has its own of.
INLINE REAL place_parameter(
    GLOBAL const PARAMETER *values, int grain, REAL other, Tile tile, PASSED(NormKernelCall) call, int lane,
    long place) {
  if (grain != GRAIN_ELEMENT) return other;
  return values[(tile.plane + lane) % call.maps * call.size + place];
}

/// Normalises a tile from shared memory or, where that is null, from the tensor.
INLINE void write_normalized(
    Tile tile, PASSED(NormKernelCall) call, LOCAL const uint4 *copy, GLOBAL const uint4 *input,
    GLOBAL const uint4 *residual, GLOBAL const PARAMETER *scale, GLOBAL const PARAMETER *bias,
    LOCAL const REAL *fields, GLOBAL uint4 *output) {
  REAL slope = real_of_number(number_of_bits(call.slope), 0);
  int isByElement = call.scaleGrain == GRAIN_ELEMENT || call.biasGrain == GRAIN_ELEMENT;
  int isEven = is_even(tile, call);
  int count = tile.rows * tile.vectors;
#pragma unroll 1
  for (int slot = THREAD; slot < count; slot += THREADS) {
    Vector vector = vector_of(tile, call, slot);
    if (vector.high <= 0) continue;
    REAL values[LANES], added[LANES];
    unpack(copy ? copy[slot] : input[vector.index], values);
    if (call.hasResidual) unpack(residual[vector.index], added);
    int lane = vector.lane;
    long place = vector.place;
    if (isEven && vector.low == 0 && vector.high == LANES) {
      REAL scales[LANES], biases[LANES];
      LOCAL const REAL *own = fields + lane;
      int isOfOne = !call.mapsLast;
      make_xhats(own, call.width, isOfOne, values);
      field_values(own + 4 * call.width, isOfOne, scales);
      field_values(own + 5 * call.width, isOfOne, biases);
#pragma unroll
      for (int k = 0; k < LANES; k++) {
        REAL n = fma(values[k], scales[k], biases[k]);
        if (call.hasResidual && call.residualFirst) n += added[k];
        n = rectified(n, slope);
        if (call.hasResidual && !call.residualFirst) n += added[k];
        values[k] = n;
      }
      output[vector.index] = pack(values);
      continue;
    }
    Affine affine = get_affine(fields, call.width, lane);
    // Most vectors of planes that lie together are of one.
    int isUniform = !call.mapsLast && (tile.width == 1 || place + LANES <= tile.length);
#pragma unroll
    for (int k = 0; k < LANES; k++) {
      if (k < vector.low || k >= vector.high) continue;
      if (!isUniform && k > vector.low) affine = get_affine(fields, call.width, lane);
      if (isByElement) {
        affine.scale = place_parameter(scale, call.scaleGrain, affine.scale, tile, call, lane, place);
        affine.bias = place_parameter(bias, call.biasGrain, affine.bias, tile, call, lane, place);
      }
      REAL n = fma(xhat_of(affine, values[k]), affine.scale, affine.bias);
      if (call.hasResidual && call.residualFirst) n += added[k];
      n = rectified(n, slope);
      if (call.hasResidual && !call.residualFirst) n += added[k];
      values[k] = n;
      advance(tile, call, &lane, &place);
    }
    write_vector(output, vector, values);
  }
}

// MARK: Kernels

/// Planes that share with no other and fit: statistics and result, each value read once and written once.
KERNEL normalize_tiles(
    GLOBAL const uint4 *input, GLOBAL const uint4 *residual, GLOBAL const PARAMETER *scale,
    GLOBAL const PARAMETER *bias, GLOBAL uint4 *output, GLOBAL ulong *mean, GLOBAL ulong *inverse,
    ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  Tile tile = tile_of(call);
  LOCAL ulong *room = (LOCAL ulong *)SHARED_MEMORY;
  LOCAL uint4 *planes = SHARED_MEMORY + THREADS * (SUM_BYTES / VECTOR_BYTES);
  LOCAL uint4 *copy = planes + call.width * (PLANE_BYTES / VECTOR_BYTES);
  LOCAL REAL *fields = (LOCAL REAL *)planes;

  read_tile(tile, input, copy);
  WAIT;
  Moments moments = moments_of(tile, call, (LOCAL const VALUE *)copy, room);
  if (tile.isWorking && tile.member == 0) {
    long plane = tile.plane + tile.lane;
    number variance = number_multiply(moments.deviation, moments.deviation);
    ulong meanBits = bits_of_number(moments.mean);
    ulong inverseBits = bits_of_number(inverse_root(variance, call.epsilon));
    mean[plane] = meanBits;
    inverse[plane] = inverseBits;
    // By what was saved, as later calls will have it.
    put_affine(
        fields, call.width, tile.lane,
        affine_of(
            meanBits, inverseBits, parameter(scale, call.scaleGrain, 1, plane, call.maps),
            parameter(bias, call.biasGrain, 0, plane, call.maps)));
  }
  WAIT;
  write_normalized(tile, call, copy, input, residual, scale, bias, fields, output);
}

/// The moments of each plane's pieces: mean and deviation, [plane][piece][2].
KERNEL tile_moments(GLOBAL const uint4 *input, GLOBAL ulong *partials, ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  Tile tile = tile_of(call);
  LOCAL ulong *room = (LOCAL ulong *)SHARED_MEMORY;
  LOCAL uint4 *copy = SHARED_MEMORY + THREADS * (SUM_BYTES / VECTOR_BYTES);
  read_tile(tile, input, copy);
  WAIT;
  Moments moments = moments_of(tile, call, (LOCAL const VALUE *)copy, room);
  if (tile.isWorking && tile.member == 0) {
    long piece = (tile.plane + tile.lane - call.firstPlane) * call.pieces + tile.start / call.length;
    partials[2 * piece] = bits_of_number(moments.mean);
    partials[2 * piece + 1] = bits_of_number(moments.deviation);
  }
}

/// The sum over a block of a number of each thread, known to all.
CALLED number block_sum(number value, LOCAL number *room) {
  room[THREAD] = value;
  for (int apart = THREADS / 2; apart > 0; apart /= 2) {
    WAIT;
    if (THREAD < apart) room[THREAD] = number_add(room[THREAD], room[THREAD + apart]);
  }
  WAIT;
  number result = room[0];
  WAIT;
  return result;
}

/// The plane that a piece of a set is of.
INLINE long plane_of_item(PASSED(NormKernelCall) call, long set, long item) {
  long member = item / call.pieces;
  return (call.setStep == 1 ? set * call.setWidth : set) + member * call.setStep;
}

/// Merges the moments of the pieces of all planes that share, a block for each set, and gives all of them the set's
/// statistics: the mean of the means, and about that the squares (Chan, Golub and LeVeque 1979).
KERNEL share_moments(
    GLOBAL const ulong *partials, GLOBAL ulong *mean, GLOBAL ulong *inverse,
    ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  LOCAL number *room = (LOCAL number *)SHARED_MEMORY;
  long set = call.firstSet + BLOCK;
  long items = call.setWidth * call.pieces;
  number rest = number_of_count(call.size - (call.pieces - 1) * call.length);
  number full = number_of_count(call.length);
  number count = number_of_count(call.size * call.setWidth);

  number total = number_of(0);
  for (long item = THREAD; item < items; item += THREADS) {
    long piece = item % call.pieces;
    long place = (plane_of_item(call, set, item) - call.firstPlane) * call.pieces + piece;
    number values = piece == call.pieces - 1 ? rest : full;
    total = number_add(total, number_multiply(values, number_of_bits(partials[2 * place])));
  }
  number center = number_divide(block_sum(total, room), count);
  // What is saved has a float64's digits, and deviations are about that.
  ulong centerBits = bits_of_number(center);

  total = number_of(0);
  for (long item = THREAD; item < items; item += THREADS) {
    long piece = item % call.pieces;
    long place = (plane_of_item(call, set, item) - call.firstPlane) * call.pieces + piece;
    number values = piece == call.pieces - 1 ? rest : full;
    number distance = number_add(number_of_bits(partials[2 * place]), number_negate(center));
    number deviation = number_of_bits(partials[2 * place + 1]);
    number squares = number_add(number_multiply(distance, distance), number_multiply(deviation, deviation));
    total = number_add(total, number_multiply(values, squares));
  }
  number variance = number_divide(block_sum(total, room), count);
  ulong inverseBits = bits_of_number(inverse_root(variance, call.epsilon));
  for (long member = THREAD; member < call.setWidth * call.spread; member += THREADS) {
    long plane = call.spread > 1 ? set * call.setWidth * call.spread + member
                                 : plane_of_item(call, set, member * call.pieces);
    mean[plane] = centerBits;
    inverse[plane] = inverseBits;
  }
}

/// Normalises by statistics that are there already.
KERNEL normalize_given(
    GLOBAL const uint4 *input, GLOBAL const uint4 *residual, GLOBAL const PARAMETER *scale,
    GLOBAL const PARAMETER *bias, GLOBAL const ulong *mean, GLOBAL const ulong *inverse, GLOBAL uint4 *output,
    ARGUMENT(NormKernelCall) call SHARED_ARGUMENT) {
  Tile tile = tile_of(call);
  LOCAL REAL *fields = (LOCAL REAL *)SHARED_MEMORY;
  for (int lane = THREAD; lane < tile.width; lane += THREADS) {
    long plane = tile.plane + lane;
    put_affine(
        fields, call.width, lane,
        affine_of(
            mean[plane], inverse[plane], parameter(scale, call.scaleGrain, 1, plane, call.maps),
            parameter(bias, call.biasGrain, 0, plane, call.maps)));
  }
  WAIT;
  write_normalized(tile, call, 0, input, residual, scale, bias, fields, output);
}
