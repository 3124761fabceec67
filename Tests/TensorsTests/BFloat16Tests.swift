import InstanceNorm
import Testing

@Suite struct BFloat16Tests {
  @Test func `every pattern survives the way through float64`() {
    for pattern in UInt16.min...UInt16.max {
      let value = BFloat16(bitPattern: pattern)
      if value.double.isNaN {
        #expect(BFloat16(value.double).double.isNaN)
      } else {
        #expect(BFloat16(value.double).bitPattern == pattern)
      }
    }
  }

  @Test func `rounding is to the nearest, ties to even, and happens once`() {
    var generator = SeededGenerator(seed: 6)
    for _ in 0..<20_000 {
      let lower = BFloat16(bitPattern: UInt16.random(in: 0x0000..<0x7F7F, using: &generator))
      let upper = BFloat16(bitPattern: lower.bitPattern + 1)
      let middle = (lower.double + upper.double) / 2
      let even = lower.bitPattern % 2 == 0 ? lower : upper
      #expect(BFloat16(middle) == even)
      #expect(BFloat16(-middle).bitPattern == even.bitPattern | 0x8000)
      // So close to the tie that float32 cannot tell.
      #expect(BFloat16(middle.nextUp) == upper)
      #expect(BFloat16(middle.nextDown) == lower)
    }
  }

  @Test func `too large becomes infinity, and NaN stays NaN`() {
    let greatest = BFloat16(bitPattern: 0x7F7F).double
    #expect(BFloat16(greatest * 1.001).double == greatest)
    #expect(BFloat16(greatest * 1.01).double == .infinity)
    #expect(BFloat16(1e300).double == .infinity)
    #expect(BFloat16(-.infinity).double == -.infinity)
    #expect(BFloat16(.nan).double.isNaN)
    #expect(BFloat16(Double(nan: 1, signaling: false)).double.isNaN)
  }
}
