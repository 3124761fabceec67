import InstanceNorm
import TestSupport
import Testing

/// Gradients of whole losses, and gradients of gradients, against PyTorch's in float64.
@Suite struct GradientGoldenTests {
  /// What float32 comes to through two normalisations, differentiated twice.
  static func tolerance(_ dtype: DType) -> Double { dtype == .float64 ? 1e-11 : 5e-5 }

  static let norms: [String: @Sendable () throws -> Normalization] = [
    "instance": { try InstanceNorm2D(numOfMaps: 4) },
    "group": { try GroupNorm2D(groups: 2, numOfMaps: 4) },
    "layer": { try LayerNorm2D(numOfMaps: 4) },
    "batch": { try BatchNorm2D(numOfMaps: 4) },
  ]

  // MARK: WGAN-GP

  @Test(arguments: norms.keys.sorted(), Layout.allCases)
  func `a critic's step with penalised slopes has PyTorch's gradients`(name: String, layout: Layout) throws {
    for dtype in [DType.float64, .float32] {
      let file = try GoldenFile("wgan_gp")
      let make = try #require(Self.norms[name])
      let critic = try Critic(file, make, dtype)
      let (real, fake) = (try file["real", dtype, layout], try file["fake", dtype, layout])
      let blend = try file["blend", dtype, layout]
      let mixed = try blend * real + (1 - blend) * fake

      func expect(_ got: Tensor?, is key: String) throws {
        try file.expect(got, is: "\(name).\(key)", within: Self.tolerance(dtype))
      }
      func slopes() throws -> Tensor {
        try gradients(of: critic(mixed).sum(), by: mixed).norm(over: [1, 2, 3])
      }
      func penalty() throws -> Tensor {
        try 10 * (slopes() - 1).square().mean()
      }
      try file.expect(mixed, is: "mixed", within: Self.tolerance(dtype))
      try expect(critic(mixed), is: "mixed_score")
      try expect(gradients(of: critic(mixed).sum(), by: mixed), is: "mixed_grad")
      try expect(slopes(), is: "slopes")

      let (value, found) = try valueAndGradients(of: critic.weights, critic.norm1, critic.norm2) {
        let (fakeScore, realScore) = (try critic(fake), try critic(real))
        try expect(fakeScore, is: "fake_score")
        try expect(realScore, is: "real_score")
        return try fakeScore.mean() - realScore.mean() + penalty()
      }
      try expect(value, is: "loss")
      for (key, variable) in try critic.variables { try expect(found[variable], is: "\(key)_grad") }

      // The penalty alone, so that what is small beside the rest of the loss is seen.
      let (alone, foundAlone) = try valueAndGradients(of: critic.weights, critic.norm1, critic.norm2) {
        try penalty()
      }
      try expect(alone, is: "penalty")
      for (key, variable) in try critic.variables { try expect(foundAlone[variable], is: "penalty.\(key)_grad") }
    }
  }

  /// A score for each picture.
  private struct Critic {
    let weights: Weights
    let norm1: Normalization
    let norm2: Normalization

    init(_ file: GoldenFile, _ make: () throws -> Normalization, _ dtype: DType) throws {
      weights = try Weights(["w1", "w2"], of: file, dtype)
      norm1 = try loaded(make(), file, scale: "scale1", bias: "bias1", dtype)
      norm2 = try loaded(make(), file, scale: "scale2", bias: "bias2", dtype)
    }

    /// All parameters by their names in the file.
    var variables: [(String, Variable)] {
      get throws {
        [
          ("w1", weights["w1"]), ("w2", weights["w2"]),
          ("scale1", try #require(norm1.scale)), ("bias1", try #require(norm1.bias)),
          ("scale2", try #require(norm2.scale)), ("bias2", try #require(norm2.bias)),
        ]
      }
    }

    func callAsFunction(_ x: Tensor) throws -> Tensor {
      let maps = try mix(weights["w1"].data, x)
      let hidden = try norm1(maps).leakyReLU(slope: 0.2) + maps
      return try mix(weights["w2"].data, norm2(hidden).tanh()).mean(over: [1, 2, 3])
    }
  }

  // MARK: CycleGAN

  @Test(arguments: Layout.allCases)
  func `generators called three times in one loss have PyTorch's gradients`(layout: Layout) throws {
    for dtype in [DType.float64, .float32] {
      let file = try GoldenFile("cyclegan")
      let (forth, back) = (try Generator("forth", file, dtype), try Generator("back", file, dtype))
      let (day, dusk) = (try file["day", dtype, layout], try file["dusk", dtype, layout])

      func expect(_ got: Tensor?, is key: String) throws {
        try file.expect(got, is: key, within: Self.tolerance(dtype))
      }
      try expect(forth(day), is: "forth_of_day")
      try expect(back(forth(day)), is: "back_of_forth_of_day")
      try expect(back(dusk), is: "back_of_dusk")
      try expect(forth(back(dusk)), is: "forth_of_back_of_dusk")
      try expect(forth(dusk), is: "forth_of_dusk")
      try expect(back(day), is: "back_of_day")

      let (value, found) = try valueAndGradients(of: forth.weights, forth.norm, back.weights, back.norm) {
        let cycles = try distance(back(forth(day)), day) + distance(forth(back(dusk)), dusk)
        return try cycles + 0.5 * distance(forth(dusk), dusk) + 0.5 * distance(back(day), day)
      }
      try expect(value, is: "loss")
      for (name, generator) in [("forth", forth), ("back", back)] {
        for (key, variable) in try generator.variables { try expect(found[variable], is: "\(name).\(key)_grad") }
      }
    }
  }

  private func distance(_ x: Tensor, _ y: Tensor) throws -> Tensor { try (x - y).absolute().mean() }

  /// A picture from a picture.
  private struct Generator {
    let weights: Weights
    let norm: Normalization

    init(_ name: String, _ file: GoldenFile, _ dtype: DType) throws {
      weights = try Weights(["w1", "w2"], of: file, prefix: "\(name).", dtype)
      norm = try loaded(
        InstanceNorm2D(numOfMaps: 4), file, scale: "\(name).scale", bias: "\(name).bias", dtype)
    }

    var variables: [(String, Variable)] {
      get throws {
        [
          ("w1", weights["w1"]), ("w2", weights["w2"]),
          ("scale", try #require(norm.scale)), ("bias", try #require(norm.bias)),
        ]
      }
    }

    func callAsFunction(_ x: Tensor) throws -> Tensor {
      try mix(weights["w2"].data, norm(mix(weights["w1"].data, x)).relu()).tanh()
    }
  }

  // MARK: AdaIN

  /// The module, and its formula written down in operations.
  static let adains: [String: @Sendable (_ content: Tensor, _ style: Tensor) throws -> Tensor] = [
    "module": { content, style in
      let adain = try AdaptiveInstanceNorm2D(epsilon: 1e-5)
      try adain.calcMode(content.dtype)
      return try adain(content, style: style)
    },
    "formula": { content, style in
      func moments(_ x: Tensor) throws -> (mean: Tensor, deviation: Tensor) {
        let mean = try x.mean(over: [2, 3], keepingAxes: true)
        return (mean, try ((x - mean).square().mean(over: [2, 3], keepingAxes: true) + 1e-5).squareRoot())
      }
      let (ofContent, ofStyle) = (try moments(content), try moments(style))
      return try ofStyle.deviation * (content - ofContent.mean) / ofContent.deviation + ofStyle.mean
    },
  ]

  @Test(arguments: ["a_style_each", "one_style"], adains.keys.sorted())
  func `gradients of adaptive normalisation have PyTorch's gradients`(styles: String, means: String) throws {
    let adain = try #require(Self.adains[means])
    let file = try GoldenFile("adain_gradients")
    for layout in Layout.allCases {
      for dtype in [DType.float64, .float32] {
        func data(_ key: String) throws -> Tensor { try file["\(styles).\(key)", dtype, layout] }
        func expect(_ got: Tensor?, is key: String) throws {
          try file.expect(got, is: "\(styles).\(key)", within: Self.tolerance(dtype))
        }
        let (content, style, weights) = (try data("content"), try data("style"), try data("weights"))
        func value() throws -> Tensor { try (weights * adain(content, style)).sum() }
        func squared() throws -> Tensor { try gradients(of: value(), by: content).square().sum() }

        try expect(adain(content, style), is: "y")
        try expect(value(), is: "value")
        let first = try gradients(of: value(), by: [content, style])
        try expect(first[0], is: "content_grad")
        try expect(first[1], is: "style_grad")
        try expect(squared(), is: "squared")
        let second = try gradients(of: squared(), by: [content, style])
        try expect(second[0], is: "squared_content_grad")
        try expect(second[1], is: "squared_style_grad")
      }
    }
  }
}

/// Matrices of the file as variables, in a module so that they are asked for as others are.
private final class Weights: Module {
  init(_ names: [String], of file: GoldenFile, prefix: String = "", _ dtype: DType) throws {
    super.init()
    for name in names { setVar(try Variable(name: name, data: file[prefix + name].to(dtype))) }
  }

  subscript(name: String) -> Variable { vars[name]! }
}

/// A 1x1 convolution: a matrix over the maps, of every place alike.
private func mix(_ weight: Tensor, _ x: Tensor) throws -> Tensor {
  let (images, maps, height, width) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
  return try weight.matmul(x.reshaped(to: [images, maps, height * width]))
    .reshaped(to: [images, weight.shape[0], height, width])
}

private func loaded(
  _ norm: Normalization, _ file: GoldenFile, scale: String, bias: String, _ dtype: DType
) throws -> Normalization {
  try norm.calcMode(dtype)
  norm.scale?.data = try file[scale].to(dtype)
  norm.bias?.data = try file[bias].to(dtype)
  return norm
}
