import InstanceNorm
import TestSupport
import Testing

/// Pictures that are made smaller without patterns, against PyTorch's `interpolate` with `antialias`.
@Suite struct SmoothResizeTests {
  @Test(
    arguments: [
      ([2, 3], [2.193993506, 2.63302139, 3.439935065, 2.853896104, 2.34959893, 2.755681818]),
      (
        [5, 4],
        [
          0.916666667, 3.64, 2.72, 3.833333333, 1.666666667, 2.78, 1.86, 4.583333333, 2.416666667, 3.53, 2.61,
          2.321428571, 2.892857143, 1.29, 3.36, 3.071428571, 3.642857143, 2.04, 2.96, 1.357142857,
        ]
      ),
    ] as [([Int], [Double])])
  func `each pixel is the mean of those around it`(size: [Int], expected: [Double]) throws {
    let x = try Tensor((0..<35).map { Double($0 * 7 % 23) / 4 }, shape: [1, 1, 5, 7])
    let y = try x.resized(to: size, mode: .smooth)
    #expect(y.shape == Shape([1, 1] + size))
    for (value, wanted) in try zip(y.doubles, expected) { #expect(abs(value - wanted) < 1e-8) }
  }

  @Test func `a picture that becomes larger is bilinear`() throws {
    let x = try Tensor.randomNormal([2, 3, 5, 7], seed: 1)
    let (y, bilinear) = (
      try x.resized(to: [8, 9], mode: .smooth), try x.resized(to: [8, 9], mode: .bilinear())
    )
    for (value, wanted) in try zip(y.doubles, bilinear.doubles) { #expect(abs(value - wanted) < 1e-6) }
  }
}
