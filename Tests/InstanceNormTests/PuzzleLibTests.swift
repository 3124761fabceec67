import InstanceNorm
import TestSupport
import Testing

/// The test that PuzzleLib has of its layer, rebuilt: the output, `saveInvVar` and the data gradient, each by its
/// formula.
@Suite struct PuzzleLibTests {
  @Test func `forward, saveInvVar and the data gradient follow their formulas`() throws {
    let (batchsize, maps, h, w) = (5, 3, 4, 4)
    let data = try Tensor.randomNormal([batchsize, maps, h, w], seed: 1)
    let instNorm2d = try InstanceNorm2D(numOfMaps: maps)
    try instNorm2d(data)

    let size = h * w
    let hostData = try data.doubles
    let planes = (0..<batchsize * maps).map { Array(hostData[$0 * size..<($0 + 1) * size]) }
    let means = planes.map { $0.reduce(0, +) / Double(size) }
    let invVars = zip(planes, means).map { plane, mean in
      1 / (plane.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(size) + instNorm2d.epsilon).squareRoot()
    }
    let hostOut = zip(planes, zip(means, invVars)).map { plane, statistics in
      plane.map { ($0 - statistics.0) * statistics.1 }
    }
    expectClose(try #require(instNorm2d.data).doubles, hostOut.flatMap { $0 }, 1e-6)
    expectClose(try #require(instNorm2d.saveInvVar).doubles, invVars, 1e-7)
    expectClose(try #require(instNorm2d.saveMean).doubles, means, 1e-7)

    let grad = try Tensor.randomNormal([batchsize, maps, h, w], seed: 2)
    try instNorm2d.backward(grad)
    let hostGrad = try grad.doubles
    var hostInGrad: [Double] = []
    for (plane, out) in hostOut.enumerated() {
      let dy = Array(hostGrad[plane * size..<(plane + 1) * size])
      let mean = dy.reduce(0, +) / Double(size)
      let correlation = zip(dy, out).map(*).reduce(0, +) / Double(size)
      hostInGrad += zip(dy, out).map { ($0 - mean - correlation * $1) * invVars[plane] }
    }
    expectClose(try #require(instNorm2d.grad).doubles, hostInGrad, 1e-6)
  }

  private func expectClose(_ values: [Double], _ expected: [Double], _ tolerance: Double) {
    #expect(values.count == expected.count)
    for (value, other) in zip(values, expected) { #expect(abs(value - other) <= tolerance * max(1, abs(other))) }
  }
}
