import Foundation
import InstanceNorm
import TestSupport
import Testing

@Suite struct SaveLoadTests {
  private let folder = TemporaryFolder()

  @Test func `what torch.save wrote is loaded as it is`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2, trackRunningStats: true, name: "1")
    try norm.load(from: golden("torch_checkpoint.pth"))
    let file = try SafetensorsFile(contentsOf: golden("torch_checkpoint.safetensors"))
    #expect(try bits(#require(norm.scale).data) == bits(file.tensor(named: "1.weight")))
    #expect(try #require(norm.runningMean).doubles == file.tensor(named: "1.running_mean").doubles)
    let error = #expect(throws: FileError.self) { try Blueprint(contentsOf: golden("torch_checkpoint.pth")) }
    #expect("\(try #require(error))".contains("does not say what module"))
  }

  @Test func `what is saved is loaded, bit for bit, under PyTorch's names`() throws {
    for name in [nil, "norm1", "block.3.norm"] {
      let path = folder.file("w.safetensors")
      let norm = try InstanceNorm2D(numOfMaps: 5, name: name)
      norm.scale?.data = try .randomNormal([5], seed: 1)
      norm.bias?.data = try .randomNormal([5], seed: 2)
      try norm.save(to: path)
      let prefix = name.map { $0 + "." } ?? ""
      #expect(try SafetensorsFile(contentsOf: path).names == ["\(prefix)bias", "\(prefix)weight"])

      let other = try InstanceNorm2D(numOfMaps: 5, name: name)
      try other.load(from: path)
      #expect(try bits(#require(other.scale).data) == bits(#require(norm.scale).data))
      #expect(try bits(#require(other.bias).data) == bits(#require(norm.bias).data))
    }
    #expect(folder.contents == ["w.safetensors"])
  }

  @Test func `a file that lacks something leaves all layers as lazy as they were`() throws {
    let path = folder.file("one.safetensors")
    try Sequential([InstanceNorm2D(numOfMaps: 3)]).save(to: path)
    let norms = try (0..<2).map { _ in try InstanceNorm2D() }
    let model = try Sequential(norms)
    #expect(throws: ModuleError.self) { try model.load(from: path) }
    for norm in norms { #expect(norm.numOfMaps == nil && norm.scale == nil) }
    try model(.ones([1, 5, 2, 2]))
  }

  @Test func `a layer finds its own in the file of a network that PyTorch saved`() throws {
    let norm1 = try InstanceNorm2D(numOfMaps: 4, name: "norm1")
    try norm1.load(from: golden("state_dict.safetensors"))
    #expect(try bits(#require(norm1.scale).data) == bits(NPY.read(from: golden("state_dict_norm1_weight.npy"))))
    let norm2 = try InstanceNorm2D(numOfMaps: 4, name: "norm2")
    try norm2.load(from: golden("state_dict.safetensors"))
    #expect(try bits(#require(norm2.bias).data) == bits(NPY.read(from: golden("state_dict_norm2_bias.npy"))))
  }

  @Test func `scale is accepted for weight, and other types are converted`() throws {
    let path = folder.file("scale.safetensors")
    try SafetensorsFile.write(
      ["scale": Tensor([1.5, 2.5]).to(.float16), "bias": Tensor([0.5, -0.5])], to: path)
    let norm = try InstanceNorm2D(numOfMaps: 2)
    try norm.load(from: path)
    #expect(try #require(norm.scale).data.array(of: Float.self) == [1.5, 2.5])
    #expect(norm.scale?.data.dtype == .float32)
    #expect(try #require(norm.bias).data.array(of: Float.self) == [0.5, -0.5])
  }

  @Test func `a file that does not fit changes nothing`() throws {
    let path = folder.file("bad.safetensors")
    let norm = try InstanceNorm2D(numOfMaps: 2, name: "n")
    norm.scale?.data = try Tensor([3, 4] as [Float])

    try SafetensorsFile.write(["n.weight": Tensor([9, 9] as [Float])], to: path)
    #expect(throws: FileError.missingTensor(path: path, name: "n.bias", available: ["n.weight"])) {
      try norm.load(from: path)
    }
    try SafetensorsFile.write(["n.weight": Tensor([9, 9] as [Float]), "n.bias": .zeros([3])], to: path)
    #expect(
      throws: ModuleError.variable(
        module: "InstanceNorm2D 'n'", name: "bias", expected: "shape (2,)", got: "(3,) in \(path)")
    ) { try norm.load(from: path) }
    #expect(throws: FileError.self) { try norm.load(from: folder.file("none.safetensors")) }
    #expect(try #require(norm.scale).data.doubles == [3, 4])
  }

  @Test func `a file with weights and a layer without do not pass for a pair, nor the other way round`() throws {
    let path = folder.file("w.safetensors")
    try InstanceNorm2D(numOfMaps: 2, name: "n").save(to: path)
    let plain = try InstanceNorm2D(numOfMaps: 2, affine: false, name: "n")
    var error = #expect(throws: ModuleError.self) { try plain.load(from: path) }
    #expect("\(try #require(error))".contains("expected none in \(path)"))
    // Another layer's weights are none of its business, nor is it a mistake that a layer of styles has none.
    try InstanceNorm2D(numOfMaps: 2, affine: false, name: "m").load(from: path)
    try AdaptiveInstanceNorm2D(name: "n").load(from: path)
    try SafetensorsFile.write(["net.n.weight": .ones([2]), "net.n.bias": .ones([2])], to: path)
    error = #expect(throws: ModuleError.self) { try InstanceNorm2D(numOfMaps: 2, name: "n").load(from: path) }
    let text = "\(try #require(error))"
    #expect(text.contains("'n.weight' and 'n.bias'") && text.contains("`affine: false`"))
    #expect(text.contains("'net.n.weight'"))
  }

  @Test func `a weight that a layer's type does not hold is an error, and changes nothing`() throws {
    let path = folder.file("w.safetensors")
    try SafetensorsFile.write(["weight": Tensor([1, 1e300]), "bias": Tensor([0.5, 0])], to: path)
    let norm = try InstanceNorm2D(numOfMaps: 2)
    let error = #expect(throws: FileError.self) { try norm.load(from: path) }
    #expect("\(try #require(error))".contains("'weight': 1e+300 is more than float32 holds"))
    #expect(try #require(norm.bias).data.doubles == [0, 0])
    try norm.calcMode(.float64)
    try norm.load(from: path)
    #expect(try #require(norm.scale).data.doubles == [1, 1e300])
    // What is infinite in the file stays so.
    try SafetensorsFile.write(["weight": Tensor([1, Double.infinity]), "bias": Tensor([0.5, 0])], to: path)
    try norm.calcMode(.float32)
    try norm.load(from: path)
    #expect(try #require(norm.scale).data.doubles == [1, .infinity])
  }

  @Test func `attributes are saved and loaded too`() throws {
    final class Counter: Module {}
    let path = folder.file("c.safetensors")
    let counter = Counter(name: "c")
    counter.setAttr("count", try Tensor([7.0]))
    try counter.save(to: path)
    let other = Counter(name: "c")
    other.setAttr("count", try Tensor([0.0]))
    try other.load(from: path)
    #expect(try #require(other.attrs["count"]).doubles == [7])
    // Two tensors of one name: neither may be lost unseen.
    counter.setVar(try Variable(name: "count", data: Tensor([1.0])))
    #expect(throws: FileError.self) { try counter.save(to: path) }
  }

  @Test func `a failed save leaves the old file`() throws {
    let path = folder.file("old.safetensors")
    try write("old".utf8, to: path)
    let norm = try InstanceNorm2D(numOfMaps: 2)
    #expect(throws: FileError.self) { try norm.save(to: folder.file("missing/w.safetensors")) }
    #expect(throws: FileError.self) { try norm.save(to: folder.path) }
    #expect(try bytes(of: path) == Array("old".utf8))
  }
}

@Suite struct BlueprintTests {
  private let folder = TemporaryFolder()

  @Test func `a layer is rebuilt from its blueprint's JSON`() throws {
    let layers: [Normalization] = [
      try InstanceNorm1D(numOfMaps: 3), try InstanceNorm2D(numOfMaps: 4, epsilon: 0.25, affine: false, name: "n"),
      try InstanceNorm3D(numOfMaps: 1, epsilon: 1),
    ]
    for layer in layers {
      let json = try layer.blueprint.json()
      let copy = try Blueprint(json: json).build()
      #expect(type(of: copy) == type(of: layer))
      #expect(copy.description == layer.description)
      #expect(copy.blueprint == layer.blueprint)
    }
    #expect(
      try InstanceNorm2D(numOfMaps: 3).blueprint.json()
        == #"{"classname":"InstanceNorm2D","scheme":{"affine":true,"epsilon":1e-05,"name":null,"numOfMaps":3}}"#)
  }

  @Test func `a file makes the module again that it was saved from`() throws {
    let path = folder.file("model.safetensors")
    let model = try Sequential(
      name: "model",
      [
        InstanceNorm2D(epsilon: 1e-3, activation: .leakyReLU(slope: 0.1), name: "first"),
        Residual([GroupNorm2D(groups: 2, numOfMaps: 4), Tanh()]), BatchNorm2D(numOfMaps: 4, momentum: nil),
      ])
    let x = try Tensor.randomNormal([2, 4, 5, 6], seed: 1)
    for (index, variable) in model.variables.map(\.variable).enumerated() {
      variable.data = try .randomNormal(variable.data.shape, seed: UInt64(index))
    }
    try model(x)
    try model.save(to: path)
    let again = try Blueprint.load(from: path)
    #expect(again.blueprint == model.blueprint)
    model.evalMode()
    again.evalMode()
    #expect(try bits(again(x)) == bits(model(x)))

    try PReLU(name: "act").save(to: path)
    #expect(throws: ModuleError.self) { try Blueprint.load(from: path) }
    #expect(try Blueprint.load(from: path, with: ["PReLU": { _ in try PReLU(name: "act") }]) is PReLU)
    // Other programs' files do not say.
    #expect(throws: FileError.self) { try Blueprint(contentsOf: golden("state_dict.safetensors")) }
  }

  @Test func `other classes are built by builders that are given`() throws {
    let blueprint = try PReLU(name: "act").blueprint
    #expect(throws: ModuleError.self) { try blueprint.build() }
    let module = try blueprint.build(with: ["PReLU": { try PReLU(name: $0.string("name")) }])
    #expect(module.name == "act")
  }

  @Test func `what is not a blueprint throws`() throws {
    #expect(throws: ModuleError.self) { try Blueprint(classname: "A", scheme: ["x": .double(.nan)]).json() }
    for json in [
      "", "[]", "{", #"{"classname": 3}"#, #"{"classname":"InstanceNorm2D","scheme":{"numOfMaps":[1]}}"#,
      #"{"classname":"InstanceNorm2D","scheme":{"numOfMaps":"3","epsilon":1,"affine":true}}"#,
      #"{"classname":"InstanceNorm2D","scheme":{"numOfMaps":3,"epsilon":1}}"#,
      #"{"classname":"InstanceNorm2D","scheme":{"numOfMaps":3,"epsilon":-1,"affine":true}}"#,
      #"{"classname":"Other","scheme":{}}"#,
    ] {
      #expect(throws: ModuleError.self, "\(json)") { try Blueprint(json: json).build() }
    }
  }
}
