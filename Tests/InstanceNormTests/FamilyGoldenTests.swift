import InstanceNorm
import TestSupport
import Testing

/// Every type against what PyTorch gave in float64: several steps of training, so that running statistics and variables
/// are what all steps before made them, and then evaluation.
@Suite struct FamilyGoldenTests {
  static let types: [String: @Sendable (Shape) throws -> Normalization] = [
    "batch": { try BatchNorm2D(numOfMaps: $0[1]) },
    "batch_average": { try BatchNorm2D(numOfMaps: $0[1], momentum: nil) },
    "batch_plain": { try BatchNorm2D(numOfMaps: $0[1], epsilon: 1e-3, affine: false, momentum: 0.3) },
    "batch_own": { try BatchNorm2D(numOfMaps: $0[1], trackRunningStats: false) },
    "batch_single": { try BatchNorm2D(numOfMaps: $0[1]) },
    "instance": { try InstanceNorm2D(numOfMaps: $0[1], trackRunningStats: true) },
    "instance_average": {
      try InstanceNorm2D(numOfMaps: $0[1], affine: false, trackRunningStats: true, momentum: nil)
    },
    "layer": { try LayerNorm2D(numOfMaps: $0[1]) },
    "layer_element": { try LayerNorm2D(numOfMaps: $0[1], perElement: ($0[2], $0[3])) },
    "layer_plain": { try LayerNorm2D(numOfMaps: $0[1], affine: false) },
    "group": { try GroupNorm2D(groups: 3, numOfMaps: $0[1]) },
    "group_large": { try GroupNorm2D(groups: 2, numOfMaps: $0[1], epsilon: 1e-3) },
  ]

  @Test(arguments: types.keys.sorted(), Layout.allCases)
  func `training and evaluation are PyTorch's`(name: String, layout: Layout) throws {
    for dtype in [DType.float64, .float32] {
      let file = try SafetensorsFile(contentsOf: golden("family_\(name).safetensors"))
      let all = try file.tensor(named: "x")
      let shape = Shape(all.shape.dropFirst())
      let make = try #require(Self.types[name])
      let norm = try make(shape)
      if norm.affine {
        norm.scale?.data = try file.tensor(named: "weight")
        norm.bias?.data = try file.tensor(named: "bias")
      }
      try norm.calcMode(dtype)
      let optimizer = try SGD(learnRate: 0.1)
      try optimizer.setup(on: norm)

      func step(_ number: Int, _ name: String) throws -> [Double] {
        let values = try file.tensor(named: name).doubles
        let length = values.count / 4
        return Array(values[number * length..<(number + 1) * length])
      }
      func data(_ number: Int, _ name: String) throws -> Tensor {
        try Tensor(step(number, name), shape: shape).to(dtype).to(layout)
      }
      func expect(_ got: Tensor?, _ expected: [Double], _ what: String, within: Double) throws {
        let got = try #require(got).doubles
        #expect(got.count == expected.count)
        let worst = worst(zip(got, expected).map { abs($0 - $1) / max(1, abs($1)) })
        #expect(worst <= (dtype == .float64 ? 1e-12 : within), "\(what): \(worst)")
      }

      for number in 0..<4 {
        let y = try norm(data(number, "x"))
        try expect(y, step(number, "y"), "y of step \(number)", within: 2e-6)
        let dx = try norm.backward(data(number, "grad"))
        // In float32, by the largest invStd and scale of these files.
        try expect(dx, step(number, "x_grad"), "dx of step \(number)", within: 1e-5)
        if norm.affine {
          try optimizer.update()
          try expect(norm.scale?.data, step(number, "weight_after"), "scale after step \(number)", within: 3e-6)
          try expect(norm.bias?.data, step(number, "bias_after"), "bias after step \(number)", within: 3e-6)
        }
        if norm.tracksRunningStats {
          try expect(norm.runningMean, step(number, "running_mean_after"), "mean after step \(number)", within: 1e-6)
          try expect(norm.runningVar, step(number, "running_var_after"), "variance after step \(number)", within: 1e-6)
          #expect(norm.numOfBatches == number + 1)
        }
        #expect(y.layout == layout && dx.layout == layout)
      }
      norm.evalMode()
      try expect(norm(data(0, "x")), file.tensor(named: "y_evaluated").doubles, "y in evaluation", within: 2e-6)
      let x = try data(0, "x")
      try expect(
        gradients(of: (data(0, "grad") * norm(x)).sum(), by: x), file.tensor(named: "x_grad_evaluated").doubles,
        "dx in evaluation", within: 1e-5)
    }
  }

  @Test(arguments: ["one_style", "a_style_each", "halfway"], Layout.allCases)
  func `adaptive normalisation and both its gradients are autograd's`(name: String, layout: Layout) throws {
    let file = try SafetensorsFile(contentsOf: golden("adaptive_\(name).safetensors"))
    let settings = try file.tensor(named: "settings")
    let adain = try AdaptiveInstanceNorm2D(epsilon: settings[0], strength: settings[1])
    try adain.calcMode(.float64)
    func data(_ name: String) throws -> Tensor { try file.tensor(named: name).to(layout) }
    try expectNear(adain(data("x"), style: data("style")), data("y"))
    let dy = try data("grad")
    try expectNear(adain.backward(dy), data("x_grad"))
    try expectNear(adain.grads[1], data("style_grad"))
  }

  @Test(arguments: ["a_blend_each", "one_blend"], Layout.allCases)
  func `conditional normalisation and all its gradients are autograd's`(name: String, layout: Layout) throws {
    let file = try SafetensorsFile(contentsOf: golden("conditional_\(name).safetensors"))
    let norm = try ConditionalInstanceNorm2D(numOfMaps: 4, numOfStyles: 5)
    try norm.calcMode(.float64)
    try norm.load(from: file.path)
    func data(_ name: String) throws -> Tensor { try file.tensor(named: name).to(layout) }
    try expectNear(norm(data("x"), weights: file.tensor(named: "weights")), data("y"))
    let dy = try data("grad")
    try expectNear(norm.backward(dy), data("x_grad"))
    try expectNear(norm.grads[1], file.tensor(named: "weights_grad"))
    try expectNear(norm.scale?.grad, file.tensor(named: "weight_grad"))
    try expectNear(norm.bias?.grad, file.tensor(named: "bias_grad"))
  }

  @Test func `activations and their gradients are PyTorch's`() throws {
    let file = try SafetensorsFile(contentsOf: golden("activations.safetensors"))
    for (name, module) in [("relu", ReLU()), ("leaky", try LeakyReLU(slope: 0.2)), ("tanh", Tanh())] {
      try module.calcMode(.float64)
      try expectNear(module(file.tensor(named: "x").to(.nhwc)), file.tensor(named: "\(name)_y"))
      try expectNear(module.backward(file.tensor(named: "grad")), file.tensor(named: "\(name)_grad"))
    }
  }

  @Test func `a network that PyTorch saved gives what it gave there`() throws {
    let network = try Sequential([
      InstanceNorm2D(), ReLU(), Sequential([BatchNorm2D(), LeakyReLU(slope: 0.2), GroupNorm2D(groups: 2)]), Tanh(),
    ])
    try network.load(from: golden("network.safetensors"))
    #expect(network.variables.map(\.name) == ["0.bias", "0.scale", "2.0.bias", "2.0.scale", "2.2.bias", "2.2.scale"])
    let batchNorm = try #require((network["2"] as? Sequential)?["0"] as? BatchNorm2D)
    #expect(batchNorm.numOfBatches == 3 && batchNorm.numOfMaps == 4)
    network.evalMode()
    let run = try SafetensorsFile(contentsOf: golden("network_run.safetensors"))
    try expectNear(network(run.tensor(named: "x")), run.tensor(named: "y"), within: 2e-6)

    // Saved again, it has the same tensors under the same names, the count among them.
    let folder = TemporaryFolder()
    try network.save(to: folder.file("again.safetensors"))
    let (original, again) = (
      try SafetensorsFile(contentsOf: golden("network.safetensors")),
      try SafetensorsFile(contentsOf: folder.file("again.safetensors"))
    )
    #expect(again.names == original.names)
    #expect(again.entries["2.0.num_batches_tracked"]?.dtype == "I64")
    for name in original.names {
      #expect(try original.tensor(named: name).doubles == again.tensor(named: name).doubles, "\(name)")
    }
  }

  private func expectNear(_ got: Tensor?, _ expected: Tensor, within tolerance: Double = 1e-12) throws {
    let got = try #require(got)
    #expect(got.shape == expected.shape)
    let worst = worst(zip(try got.doubles, try expected.doubles).map { abs($0 - $1) / max(1, abs($1)) })
    #expect(worst <= tolerance)
  }
}
