// The order of values of any type, as integers.

/// The bits of a value as those of a float64.
INLINE ulong float64_bits_at(GLOBAL const void *values, int type, long index) {
  if (type == TYPE_FLOAT64) return ((GLOBAL const ulong *)values)[index];
  return bits_of_wide(wide_of(narrow_of(values, type, index)), 0);
}

/// A number whose order as an integer is the value's, for the float64 with these bits; NaN is the greatest.
INLINE ulong order_of_bits(ulong bits) {
  if ((bits & 0x7fffffffffffffffUL) > 0x7ff0000000000000UL) return 0xffffffffffffffffUL;
  return bits >> 63 ? ~bits : bits | (1UL << 63);
}

INLINE ulong bits_of_order(ulong order) {
  if (order == 0xffffffffffffffffUL) return 0x7ff8000000000000UL;
  return order >> 63 ? order ^ (1UL << 63) : ~order;
}
