import Generators
import TestSupport
import Testing

/// The networks against PyTorch's of the same weights.
@Suite struct NetworkTests {
  static let names = [
    "transformer", "transformer_bilinear", "conditional", "adain", "resnet_instance", "resnet_batch", "unet_instance",
    "unet_batch",
    "patches_instance", "patches_batch", "pixels_instance", "pixels_batch", "vgg16", "vgg19",
    "small_vgg19",
  ]

  @Test(arguments: names) func `result and all gradients are PyTorch's`(name: String) throws {
    for (dtype, tolerance) in [(DType.float64, 2e-6), (.float32, 1e-4)] {
      let golden = try GoldenNetwork(name)
      let network = try golden.load()
      try network.calcMode(dtype)
      if let adain = network as? AdaINNet { try adain.setStyle(golden["style"].to(dtype)) }
      let x = try golden["x"].to(dtype)
      if golden.has("evaluated") { try golden.expect(network(x), is: "evaluated", within: tolerance) }
      network.trainMode()
      try golden.expect(network(x), is: "y", within: tolerance)
      guard golden.has("dy") else { continue }
      let dx = try network.backward(golden["dy"].to(dtype))
      try golden.expect(dx, is: "dx", within: tolerance)
      #expect(dx.layout == x.layout)
      #expect(!network.variables.isEmpty)
      for (path, variable) in network.variables {
        let key = path.hasSuffix(".scale") ? path.dropLast(5) + "weight" : path[...]
        try golden.expect(variable.grad, is: "grads.\(key)", within: tolerance)
      }
    }
  }

  @Test(arguments: names) func `a plan gives what a call gives, in either layout`(name: String) throws {
    let golden = try GoldenNetwork(name)
    let network = try golden.load()
    let x = try golden["x"].to(.float32)
    let y = try network(x)
    let largest = try y.doubles.map(abs).max() ?? 0
    for layout in Layout.allCases {
      for precision in Precision.allCases {
        let plan = try network.plan(for: x.shape, layout: layout, precision: precision)
        let planned = try plan(x.to(layout))
        let shape = try network.dataShape(from: x.shape)
        #expect(planned.layout == layout && planned.shape == shape)
        // Winograd's convolutions round otherwise than direct ones.
        for (value, other) in try zip(planned.doubles, y.doubles) {
          #expect(abs(value - other) <= 2e-5 * largest, "\(layout) \(precision)")
        }
      }
    }
  }

  @Test func `Winograd's convolutions keep whole networks within 2e-5 of their range`() throws {
    let networks: [Generator] = try withInitialValues(seed: 7) {
      [try TransformerNet(width: 8, blocks: 2), try ResNetGenerator(width: 8, blocks: 2)]
    }
    for network in networks {
      network.evalMode()
      let picture = try Tensor.randomUniform([1, 3, 48, 48], seed: 1)
      let x = try network.valueRange.values(of: picture)
      let (fast, direct) = (try network.plan(for: x.shape)(x), try network.plan(for: x.shape, precision: .exact)(x))
      #expect(try bits(fast) != bits(direct), "\(network.label) has no such convolution")
      try network.calcMode(.float64)
      let reference = try network(x.to(.float64)).doubles
      let range = (reference.max() ?? 0) - (reference.min() ?? 0)
      for (value, expected) in try zip(fast.doubles, reference) { #expect(abs(value - expected) <= 2e-5 * range) }
    }
  }

  @Test(arguments: ["transformer", "conditional", "adain", "resnet_instance", "unet_instance"])
  func `a picture of any size has a result of its size`(name: String) throws {
    let golden = try GoldenNetwork(name)
    let generator = try #require(golden.load() as? Generator)
    for (height, width) in [(1, 1), (1, 9), (2, 3), (7, 4), (13, 18), (33, 17)] {
      let x = try Tensor.randomUniform([1, 3, height, width], seed: UInt64(height * width))
      let y = try generator(x)
      #expect(y.shape == x.shape)
      #expect(try y.doubles.allSatisfy(\.isFinite))
    }
    // It is a part of what the picture gives that is mirrored at its right and lower edge.
    let x = try Tensor.randomUniform([1, 3, 29, 31], seed: 4)
    let whole = try generator(x.padded(rows: (0, 3), columns: (0, 1), mode: .reflect))
    #expect(try bits(generator(x)) == bits(whole.cropped(rows: 0..<29, columns: 0..<31)))
  }

  @Test func `what a network does not take is refused`() throws {
    let network = try TransformerNet(width: 2, blocks: 1)
    for shape in [[1, 4, 8, 8], [3, 8, 8], [1, 3, 0, 8]] as [Shape] {
      #expect(throws: ModuleError.self) { try network(.zeros(shape)) }
    }
    #expect(throws: ModuleError.self) { try network(Tensor.zeros([1, 3, 8, 8]).to(.float64)) }
    #expect(throws: ModuleError.self) { try TransformerNet(width: 0) }
    #expect(throws: ModuleError.self) { try ResNetGenerator(blocks: -1) }
    #expect(throws: ModuleError.self) { try UNetGenerator(depth: 1) }
    #expect(throws: ModuleError.self) { try PatchDiscriminator(depth: -1) }
    #expect(throws: ModuleError.self) { try VGG16(width: .nan) }
    #expect(throws: ModuleError.self) { try VGG19(width: 0.1).features(of: .zeros([1, 3, 8, 8]), at: ["relu6_1"]) }
    #expect(throws: ModuleError.self) { try AdaINNet(width: 1)(.zeros([1, 3, 16, 16])) }
    let styles = try ConditionalTransformerNet(numOfStyles: 2, width: 1, blocks: 0)
    #expect(throws: ModuleError.self) { try styles.select(style: 2) }
  }

  @Test func `features are those after the layers that are named`() throws {
    let golden = try GoldenNetwork("vgg16")
    let vgg = try VGG16(contentsOf: golden.path)
    let features = try vgg.features(of: golden["x"].to(.float32), at: ["relu2_2", "relu1_1"])
    try golden.expect(features[0], is: "features", within: 1e-5)
    #expect(features[1].shape == [1, 1, 32, 33])
    let picture = try Tensor([0.485, 0.456, 1] as [Float], shape: [1, 3, 1, 1])
    #expect(try VGG.normalized(picture).doubles.map { ($0 * 1000).rounded() } == [0, 0, 2640])
  }

  @Test func `a style at no strength leaves what encoder and decoder make of the picture`() throws {
    let golden = try GoldenNetwork("adain")
    let network = try #require(golden.load() as? AdaINNet)
    let x = try golden["x"].to(.float32)
    let styled = try network(x)
    network.strength = 0
    let plain = try network(x)
    #expect(try bits(styled) != bits(plain))
    try network.setStyle(.randomUniform([1, 3, 9, 31], seed: 5))
    #expect(try bits(network(x)) == bits(plain))
  }
}
