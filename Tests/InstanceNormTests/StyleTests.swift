import InstanceNorm
import TestSupport
import Testing

/// Layers whose scale and bias are a style's.
@Suite struct StyleTests {
  @Test func `styles are chosen, blended and refused`() throws {
    let norm = try ConditionalInstanceNorm2D(numOfMaps: 2, numOfStyles: 3, activation: .relu, name: "c")
    norm.scale?.data = try Tensor([1, 1, 2, 2, 0, 0] as [Float], shape: [3, 2])
    norm.bias?.data = try Tensor([0, 0, 1, 1, 5, 6] as [Float], shape: [3, 2])
    let x = try Tensor.randomNormal([2, 2, 3, 3], seed: 1)
    let plain = try InstanceNorm2D(numOfMaps: 2, activation: .relu)
    #expect(try bits(norm(x)) == bits(plain(x)))
    #expect(try norm(x, style: 2).doubles[0..<9].allSatisfy { $0 == 5 })
    // A call's style is its own.
    #expect(try bits(norm(x)) == bits(plain(x)))
    let weights = try Tensor([0, 0, 1, 1, 0, 0], shape: [2, 3])
    let each = try norm(x, weights: weights)
    #expect(try each.doubles[0] == 5)
    #expect(try Array(bits(each).suffix(18)) == Array(bits(plain(x)).suffix(18)))
    // One that is chosen stays until another is, and so does one of each picture.
    try norm.select(style: 2)
    #expect(try norm(x).doubles[9..<18].allSatisfy { $0 == 6 })
    try norm.select(weights: weights)
    #expect(try bits(norm(x)) == bits(each))

    // Old gradients do not matter without a momentum, whatever they are.
    norm.scale?.grad = try Tensor(repeating: .nan, shape: [3, 2])
    norm.reset()
    try norm(x)
    try norm.backward(x)
    #expect(try #require(norm.scale?.grad).doubles.allSatisfy(\.isFinite))

    #expect(throws: ModuleError.argument(module: label(norm), name: "style", expected: "0 to 2", got: "3")) {
      try norm.select(style: 3)
    }
    #expect(throws: ModuleError.self) { try norm.select(weights: Tensor.zeros([3])) }
    #expect(throws: ModuleError.self) { try norm.select(weights: Tensor.zeros([1, 2])) }
    #expect(throws: ModuleError.self) { try norm(Tensor.zeros([3, 2, 3, 3])) }
    #expect(throws: ModuleError.self) { try ConditionalInstanceNorm2D(numOfMaps: 2, numOfStyles: 0) }
    #expect(throws: ModuleError.self) { try ConditionalInstanceNorm2D(numOfStyles: -1) }
  }

  private func label(_ module: Module) -> String { module.label }

  @Test func `an adaptive layer gives the content the style's means and deviations`() throws {
    let adain = try AdaptiveInstanceNorm2D(epsilon: 0)
    let content = try Tensor.randomNormal([2, 3, 32, 32], mean: -4, deviation: 0.5, seed: 1)
    let style = try Tensor.randomNormal([1, 3, 16, 8], mean: 7, deviation: 3, seed: 2)
    #expect(throws: ModuleError.noStyle(module: "AdaptiveInstanceNorm2D")) { try adain(content) }
    let y = try adain(content, style: style)
    let wanted = try style.planeSummaries()
    for (index, plane) in try y.planeSummaries().enumerated() {
      #expect(abs(plane.moments.mean - wanted[index % 3].moments.mean) < 1e-5)
      #expect(abs(plane.moments.variance / wanted[index % 3].moments.variance - 1) < 1e-5)
    }
    // Style and content in other layouts, a style without a batch, a style that was set.
    #expect(try bits(adain(content, style: style.reshaped(to: [3, 16, 8]))) == bits(y))
    #expect(adain.style == nil)
    try adain.setStyle(style)
    #expect(try bits(adain(content)) == bits(y))
    let other = try adain(content.to(.nhwc), style: style.to(.nhwc))
    #expect(other.layout == .nhwc)
    #expect(zip(try other.doubles, try y.doubles).allSatisfy { abs($0 - $1) < 1e-5 })

    let half = try AdaptiveInstanceNorm2D(epsilon: 0, strength: 0.5)
    let between = try half(content, style: style).doubles
    let expected = zip(try content.doubles, try y.doubles).map { ($0 + $1) / 2 }
    #expect(zip(between, expected).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(try bits(AdaptiveInstanceNorm2D(strength: 0)(content, style: style)) == bits(content))

    #expect(throws: ModuleError.self) { try adain(content, style: Tensor.ones([1, 4, 2, 2])) }
    #expect(throws: ModuleError.self) { try adain(content, style: Tensor.ones([3, 3, 2, 2])) }
    #expect(throws: ModuleError.self) { try adain.setStyle(Tensor.zeros([1, 3, 0, 2])) }
    #expect(throws: ModuleError.self) { try adain.setStyle(Tensor.zeros([1, 3, 2, 2], dtype: .float16)) }
    #expect(throws: ModuleError.self) { try AdaptiveInstanceNorm2D(strength: .nan) }
    try adain.calcMode(.float16)
    #expect(adain.style == nil)
  }

  @Test func `strength counts in every kind of call`() throws {
    let adain = try AdaptiveInstanceNorm2D(strength: 0.25)
    try adain.calcMode(.float64)
    let shape: Shape = [2, 3, 5, 4]
    let x = try Tensor.randomNormal(shape, mean: 4, seed: 1, dtype: .float64)
    let residual = try Tensor.randomNormal(shape, seed: 2, dtype: .float64)
    let dy = try Tensor.randomNormal(shape, seed: 3, dtype: .float64)
    try adain.setStyle(.randomNormal([1, 3, 8, 8], mean: -3, deviation: 2, seed: 4, dtype: .float64))
    let y = try adain(x)
    let dx = try adain.backward(dy)
    let more = try adain(x, residual: residual)
    #expect(zip(try more.doubles, try (y + residual).doubles).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(try bits(adain.backward(dy)) == bits(dx))
    #expect(try bits(#require(adain.grads[1])) == bits(dy))
    var inPlace = try x.to(.nhwc)
    try adain.normalize(inPlace: &inPlace, residual: residual)
    #expect(inPlace.layout == .nhwc)
    #expect(zip(try inPlace.doubles, try more.doubles).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  @Test func `a call that fails changes no style and no number of maps`() throws {
    let (x, other) = (try Tensor.randomNormal([2, 3, 4, 4], seed: 1), try Tensor.randomNormal([1, 2, 4, 4], seed: 2))
    let adain = try AdaptiveInstanceNorm2D()
    try adain.setStyle(x)
    #expect(throws: ModuleError.self) { try adain(x, style: other) }
    #expect(throws: ModuleError.self) { try adain.setStyle(Tensor.ones([1, 3, 0, 2])) }
    #expect(adain.style?.shape == x.shape)
    let norm = try ConditionalInstanceNorm2D(numOfStyles: 2)
    #expect(throws: ModuleError.self) { try norm(x, weights: Tensor.ones([3, 2])) }
    #expect(norm.numOfMaps == nil && norm.scale == nil && norm.weights.shape == [1, 2])
    // Nor does data that a later layer refuses leave a trace in an earlier one.
    let batch = try BatchNorm2D()
    let model = try Sequential([batch, InstanceNorm2D(numOfMaps: 2)])
    #expect(throws: ModuleError.self) { try model(x) }
    #expect(batch.numOfMaps == nil && batch.numOfBatches == 0)
    // More planes than there is memory for, of nothing.
    let shape: Shape = [1 << 40, 3, 0, 4]
    let empty = try Tensor.zeros(shape)
    #expect(throws: TensorError.self) { try norm(empty) }
    try adain.setStyle(.ones([1, 3, 2, 2]))
    #expect(throws: TensorError.self) { try adain(empty) }
  }

  @Test func `a gradient is of the style that its call had`() throws {
    let x = try Tensor.randomNormal([2, 3, 4, 4], seed: 1)
    let dy = try Tensor.randomNormal([2, 3, 4, 4], seed: 2)
    func gradients(_ between: (ConditionalInstanceNorm2D, AdaptiveInstanceNorm2D) throws -> Void) throws -> [[UInt64]] {
      let (norm, adain) = (try ConditionalInstanceNorm2D(numOfMaps: 3, numOfStyles: 2), try AdaptiveInstanceNorm2D())
      norm.scale?.data = try .randomNormal([2, 3], seed: 3)
      try norm(x, style: 1)
      try adain(x, style: .randomNormal([1, 3, 5, 5], seed: 4))
      try between(norm, adain)
      try norm.backward(dy)
      try adain.backward(dy)
      return try (norm.grads + adain.grads + [norm.scale?.grad]).map { try bits(#require($0)) }
    }
    let changed = try gradients { norm, adain in
      try norm.select(weights: Tensor([0.5, 0.5, 1, 2], shape: [2, 2]))
      try adain.setStyle(.randomNormal([2, 3, 6, 2], mean: 3, seed: 5))
    }
    #expect(try changed == gradients { _, _ in })
  }
}
