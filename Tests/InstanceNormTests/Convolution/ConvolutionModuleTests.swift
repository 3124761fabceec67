import InstanceNorm
import TestSupport
import Testing

/// The layers that networks are made of beside normalisations.
@Suite struct ConvolutionModuleTests {
  private let folder = TemporaryFolder()

  private static func layers() throws -> [(Module, Shape)] {
    [
      (try Conv2D(inMaps: 4, outMaps: 6, size: 3, stride: 2, pad: 1, name: "conv"), [2, 4, 7, 6]),
      (
        try Conv2D(
          inMaps: 4, outMaps: 2, size: RowsAndColumns(1, 3), stride: RowsAndColumns(2, 1),
          pad: Margins(top: 1, left: 0, bottom: 2, right: 1), dilation: RowsAndColumns(1, 2), useBias: false, groups: 2,
          paddingMode: .reflect, wscale: 0.02, initScheme: .gaussian), [2, 4, 5, 6]
      ),
      (
        try Conv2D(inMaps: 1, outMaps: 1, size: 9, pad: Margins(rows: 4, columns: 5), paddingMode: .replicate),
        [1, 1, 2, 1]
      ),
      (
        try Deconv2D(inMaps: 4, outMaps: 6, size: 3, stride: 2, pad: 1, postPad: 1, groups: 2, name: "up"),
        [2, 4, 3, 5]
      ),
      (
        try Deconv2D(inMaps: 2, outMaps: 1, size: 1, stride: 3, pad: 2, useBias: false, initScheme: .xavier),
        [1, 2, 3, 3]
      ),
      (try MaxPool2D(), [2, 4, 7, 6]),
      (try MaxPool2D(size: 3, stride: 2, pad: 1, ceilMode: true, name: "p"), [2, 4, 7, 6]),
      (try AvgPool2D(size: RowsAndColumns(2, 3), stride: 1), [2, 4, 7, 6]), (try Upsample2D(), [2, 4, 3, 2]),
      (try Upsample2D(scale: 3, mode: .bilinear(alignCorners: true)), [4, 3, 2]),
      (try Pad2D(pad: Margins(top: 1, left: 0, bottom: 2, right: 3), mode: .reflect), [2, 4, 3, 4]),
      (try PixelShuffle(factor: 2), [2, 4, 3, 5]), (try PixelUnshuffle(factor: 2), [2, 3, 4, 6]),
      (try Linear(inSize: 6, outSize: 3, initScheme: .he), [2, 4, 6]),
      (try Linear(inSize: 2, outSize: 5, useBias: false), [7, 2]),
      (Flatten(name: "flat"), [2, 3, 4, 5]),
    ]
  }

  @Test(arguments: DType.allCases) func `a layer's result has the shape that it says`(dtype: DType) throws {
    for (layer, shape) in try Self.layers() {
      try layer.calcMode(dtype)
      for layout in Layout.allCases where layout.isOf(shape) {
        let x = try Tensor.randomNormal(shape, seed: 1, dtype: dtype).to(layout)
        let y = try layer(x)
        #expect(y.shape == (try layer.dataShape(from: shape)), "\(layer)")
        #expect(y.dtype == dtype, "\(layer)")
        if y.shape.rank == 4 { #expect(y.layout == layout, "\(layer)") }
        let dx = try layer.backward(.randomNormal(y.shape, seed: 2, dtype: dtype))
        #expect(dx.shape == shape && layer.vars.values.allSatisfy { $0.data.dtype == dtype.parameterDType })
      }
    }
  }

  @Test func `a layer is rebuilt from its blueprint's JSON`() throws {
    for (layer, _) in try Self.layers() {
      let json = try layer.blueprint.json()
      let copy = try Blueprint(json: json).build()
      #expect(type(of: copy) == type(of: layer))
      #expect(copy.description == layer.description && copy.blueprint == layer.blueprint, "\(json)")
      #expect(copy.variables.map(\.name) == layer.variables.map(\.name))
    }
    let usual = try Blueprint(json: #"{"classname":"Conv2D","scheme":{"inMaps":3,"outMaps":8,"size":[3,1]}}"#).build()
    #expect("\(usual)" == "Conv2D(3 to 8 maps, size: (3, 1))")
    for scheme in [
      #"{"inMaps":3,"outMaps":8}"#, #"{"inMaps":3,"outMaps":8,"size":[1,2,3]}"#,
      #"{"inMaps":3,"outMaps":8,"size":"3"}"#,
      #"{"inMaps":3,"outMaps":8,"size":3,"pad":[1,2,3]}"#, #"{"inMaps":3,"outMaps":8,"size":3,"paddingMode":"blur"}"#,
      #"{"inMaps":3,"outMaps":8,"size":3,"groups":2}"#, #"{"inMaps":3,"outMaps":8,"size":3,"useBias":1}"#,
    ] {
      let json = #"{"classname":"Conv2D","scheme":\#(scheme)}"#
      #expect(throws: ModuleError.self, "\(json)") { try Blueprint(json: json).build() }
    }
  }

  @Test func `files have PyTorch's names, and a bias that a layer is made without is not passed over`() throws {
    let path = folder.file("model.safetensors")
    let model = try Sequential([
      Conv2D(inMaps: 3, outMaps: 4, size: 3), Flatten(), Linear(inSize: 4, outSize: 2, useBias: false, name: "fc"),
    ])
    try model.save(to: path)
    let file = try SafetensorsFile(contentsOf: path)
    #expect(file.names.sorted() == ["0.bias", "0.weight", "fc.weight"])
    #expect(try file.tensor(named: "0.weight").shape == [4, 3, 3, 3])
    let again = try Blueprint.load(from: path)
    let x = try Tensor.randomNormal([1, 3, 3, 3], seed: 1)
    #expect(try bits(again(x)) == bits(model(x)))
    let without = try Sequential([Conv2D(inMaps: 3, outMaps: 4, size: 3, useBias: false)])
    let error = #expect(throws: ModuleError.self) { try without.load(from: path) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("`useBias: false`"))
  }

  @Test func `first weights are spread as their scheme says, and come again from their seed`() throws {
    func deviation(_ layer: WeightedModule) throws -> Double {
      try layer.weight.data.square().mean().scalar().squareRoot()
    }
    func conv(_ scheme: InitScheme, _ wscale: Double = 1) throws -> Conv2D {
      try Conv2D(inMaps: 32, outMaps: 64, size: 5, groups: 2, wscale: wscale, initScheme: scheme)
    }
    // Of an even spread from -a to a the deviation is a / sqrt 3.
    let fan = (into: 16.0 * 25, out: 64.0 * 25)
    let expected: [(InitScheme, Double)] = [
      (.kaiming, 1 / (3 * fan.into).squareRoot()), (.xavier, (2 / (fan.into + fan.out)).squareRoot()),
      (.he, (2 / fan.into).squareRoot()), (.gaussian, 1), (.uniform, 1 / 3.0.squareRoot()),
    ]
    for (scheme, spread) in expected {
      let layer = try conv(scheme, 0.5)
      #expect(abs(try deviation(layer) / (0.5 * spread) - 1) < 0.02, "\(scheme)")
      let bias = try #require(layer.bias).data.absolute().max().scalar()
      #expect(scheme == .kaiming ? bias > 0.8 / fan.into.squareRoot() && bias <= 1 / fan.into.squareRoot() : bias == 0)
    }
    func weights(_ seed: UInt64) throws -> [[UInt64]] {
      try withInitialValues(seed: seed) { try [conv(.kaiming), conv(.kaiming)].map { try bits($0.weight.data) } }
    }
    let first = try weights(7)
    #expect(try weights(7) == first)
    #expect(try weights(8) != first)
    #expect(first[0] != first[1])
    #expect(try conv(.kaiming).weight.data.doubles != conv(.kaiming).weight.data.doubles)
    #expect(try withoutInitialValues { try conv(.he) }.weight.data.doubles.allSatisfy { $0 == 0 })
  }

  @Test func `a layer has the gradients of what it computes, and learns`() throws {
    let conv = try Conv2D(inMaps: 3, outMaps: 2, size: 3, pad: 1, paddingMode: .reflect)
    let x = try Tensor.randomNormal([2, 3, 6, 5], seed: 1)
    let y = try conv(x)
    let dy = try Tensor.randomNormal(y.shape, seed: 2)
    let dx = try conv.backward(dy)
    let (w, b) = (conv.weight.data, try #require(conv.bias).data)
    let found = try gradients(of: (dy * x.padded(1, mode: .reflect).convolved(with: w, bias: b)).sum(), by: [x, w, b])
    #expect(try bits(dx) == bits(found[0]))
    #expect(try bits(#require(conv.weight.grad)) == bits(found[1]))
    #expect(try bits(#require(conv.bias?.grad)) == bits(found[2]))

    let target = try Tensor.randomNormal(y.shape, seed: 3)
    let optimizer = try Adam(learnRate: 0.05)
    try optimizer.setup(on: conv)
    func loss() throws -> Tensor { try meanSquaredError(conv(x), target) }
    let before = try loss().scalar()
    for _ in 0..<10 { try optimizer.update(valueAndGradients(of: conv, body: loss).gradients) }
    #expect(try loss().scalar() < before)
  }

  @Test func `a network of them is summed up, and planned`() throws {
    let model = try Sequential([
      Conv2D(inMaps: 3, outMaps: 8, size: 9, pad: 4, paddingMode: .reflect), InstanceNorm2D(numOfMaps: 8), ReLU(),
      Conv2D(inMaps: 8, outMaps: 4, size: 3, stride: 2, pad: 1), MaxPool2D(), Upsample2D(scale: 2),
      Deconv2D(inMaps: 4, outMaps: 12, size: 3, stride: 2, pad: 1, postPad: 1), PixelShuffle(factor: 2),
    ])
    let summary = try model.summary(for: [1, 3, 16, 12])
    let rows = summary.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
    #expect(rows.contains("0 Conv2D (1, 8, 16, 12) 1952") && rows.contains("7 PixelShuffle (1, 3, 32, 24) 0"))
    model.evalMode()
    let x = try Tensor.randomNormal([1, 3, 16, 12], seed: 1)
    #expect(try bits(model.plan(for: [1, 3, 16, 12])(x)) == bits(model(x)))
  }

  // MARK: What is refused

  @Test func `arguments out of their range`() throws {
    let wrong: [(String, () throws -> Module)] = [
      ("inMaps", { try Conv2D(inMaps: 0, outMaps: 1, size: 1) }),
      ("outMaps", { try Conv2D(inMaps: 1, outMaps: -1, size: 1) }),
      ("size", { try Conv2D(inMaps: 1, outMaps: 1, size: 0) }),
      ("stride", { try Conv2D(inMaps: 1, outMaps: 1, size: 1, stride: 0) }),
      ("dilation", { try Deconv2D(inMaps: 1, outMaps: 1, size: 1, dilation: RowsAndColumns(.max)) }),
      ("pad", { try Conv2D(inMaps: 1, outMaps: 1, size: 1, pad: -1) }),
      ("groups", { try Conv2D(inMaps: 4, outMaps: 6, size: 1, groups: 4) }),
      ("groups", { try Conv2D(inMaps: 4, outMaps: 6, size: 1, groups: 0) }),
      ("wscale", { try Conv2D(inMaps: 4, outMaps: 6, size: 1, wscale: .nan) }),
      ("postPad", { try Deconv2D(inMaps: 4, outMaps: 6, size: 1, stride: 2, postPad: 2) }),
      ("postPad", { try Deconv2D(inMaps: 4, outMaps: 6, size: 1, postPad: -1) }),
      ("inSize", { try Linear(inSize: 0, outSize: 1) }), ("outSize", { try Linear(inSize: 1, outSize: 0) }),
      ("size", { try MaxPool2D(size: 0) }), ("stride", { try AvgPool2D(stride: -1) }),
      ("pad", { try MaxPool2D(pad: 2) }),
      ("pad", { try AvgPool2D(pad: -1) }), ("scale", { try Upsample2D(scale: 0) }), ("pad", { try Pad2D(pad: -1) }),
      ("factor", { try PixelShuffle(factor: 0) }), ("factor", { try PixelUnshuffle(factor: .max) }),
    ]
    for (argument, make) in wrong {
      let error = #expect(throws: ModuleError.self, "\(argument)") { try make() }
      guard case .argument(_, argument, _, _) = error else {
        Issue.record("\(argument): \(error.map { "\($0)" } ?? "")")
        continue
      }
    }
    // Weights beyond what there is memory for.
    #expect(throws: TensorError.self) { try Conv2D(inMaps: 1 << 29, outMaps: 1 << 29, size: RowsAndColumns(1 << 29)) }
  }

  @Test func `data that does not fit`() throws {
    let wrong: [(Module, Shape, String)] = [
      (try Conv2D(inMaps: 3, outMaps: 1, size: 3), [1, 2, 5, 5], "(N, 3, H, W), H at least 3 and W at least 3"),
      (try Conv2D(inMaps: 3, outMaps: 1, size: 3), [1, 3, 5, 2], "W at least 3"),
      (
        try Conv2D(inMaps: 3, outMaps: 1, size: 3, pad: 1), [3, 5, 5],
        "expected data of shape (N, 3, H, W), got (3, 5, 5)"
      ),
      (try Conv2D(inMaps: 3, outMaps: 1, size: 9, pad: 4, paddingMode: .reflect), [1, 3, 4, 9], "H at least 5"),
      (try Deconv2D(inMaps: 3, outMaps: 1, size: 3, stride: 2, pad: 2), [1, 3, 1, 2], "H at least 2 and W at least 2"),
      (try Deconv2D(inMaps: 3, outMaps: 1, size: 3), [1, 3, 0, 2], "(N, 3, H, W)"),
      (try MaxPool2D(size: 3, pad: 1), [1, 3, 1, 0], "H at least 1 and W at least 1"),
      (try AvgPool2D(size: 3), [1, 3, 3], "H at least 3"), (try Upsample2D(), [3, 3], "(C, H, W)"),
      (try Pad2D(pad: 2, mode: .reflect), [1, 1, 2, 3], "H at least 3"), (try Pad2D(pad: 1), [2, 2], "(C, H, W)"),
      (try PixelShuffle(factor: 2), [1, 6, 2, 2], "C a multiple of 4"),
      (try PixelUnshuffle(factor: 2), [1, 6, 3, 2], "multiples of 2"),
      (try Linear(inSize: 3, outSize: 1), [2, 4], "(..., 3)"),
      (Flatten(), [4], "(N, ...)"),
    ]
    for (layer, shape, says) in wrong {
      let x = try Tensor.zeros(shape)
      let error = #expect(throws: ModuleError.self) { try layer(x) }
      #expect("\(error.map { "\($0)" } ?? "")".contains(says), "\(error.map { "\($0)" } ?? "")")
    }
    // Weights that were put in place of the layer's own.
    let conv = try Conv2D(inMaps: 3, outMaps: 1, size: 3)
    conv.weight.data = try .zeros([1, 3, 2, 2])
    #expect(throws: ModuleError.self) { try conv(.zeros([1, 3, 5, 5])) }
  }
}

extension Layout {
  /// Whether a tensor of pictures of this shape can lie this way.
  fileprivate func isOf(_ shape: Shape) -> Bool { self == .nchw || shape.rank == 4 }
}
