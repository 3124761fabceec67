import Generators
import TestSupport
import Testing

/// Which network a file is of.
@Suite struct RecognitionTests {
  @Test(
    arguments: [
      ("transformer", "TransformerNet", ["width": 2, "blocks": 2]),
      ("conditional", "ConditionalTransformerNet", ["width": 1, "blocks": 1, "numOfStyles": 3]),
      ("adain", "AdaINNet", ["width": 1]),
      ("resnet_instance", "ResNetGenerator", ["width": 2, "blocks": 1]),
      ("resnet_batch", "ResNetGenerator", ["width": 2, "blocks": 2]),
      ("unet_instance", "UNetGenerator", ["width": 1, "depth": 3]),
      ("unet_batch", "UNetGenerator", ["width": 1, "depth": 4]),
      ("patches_batch", "PatchDiscriminator", ["width": 2, "depth": 2]),
      ("pixels_instance", "PatchDiscriminator", ["width": 3, "depth": 0]),
      ("vgg16", "VGG16", ["inMaps": 3]), ("vgg19", "VGG19", ["inMaps": 3]),
      ("small_vgg19", "SmallVGG19", ["width": 2, "depth": 9]),
    ] as [(String, String, [String: Int])])
  func `names and shapes say which network it is`(name: String, network: String, numbers: [String: Int]) throws {
    let golden = try GoldenNetwork(name)
    let blueprint = try Architecture.recognized(in: StateDict(contentsOf: golden.path))
    #expect(blueprint.classname == network)
    for (key, value) in numbers { #expect(blueprint.scheme[key] == .int(value), "\(key)") }
    if blueprint.scheme["norm"] != nil {
      #expect(blueprint.scheme["norm"] == .string(name.hasSuffix("batch") ? "batch" : "instance"))
    }
    // What is saved says so itself, and gives the same bits.
    let loaded = try golden.load()
    #expect(loaded.notes.isEmpty && !loaded.train)
    let path = golden.folder.file("saved.safetensors")
    try loaded.save(to: path)
    let said = try Architecture.recognized(in: StateDict(contentsOf: path))
    #expect(said == loaded.blueprint)
    let again = try Architecture.load(contentsOf: path)
    #expect(again.blueprint == loaded.blueprint && again.variables.count == loaded.variables.count)
    for (one, other) in zip(again.variables, loaded.variables) {
      #expect(try bits(one.variable.data) == bits(other.variable.data))
    }
  }

  @Test(arguments: ["resnet_batch", "resnet_instance"])
  func `blocks that were trained with dropout have another number in their names`(name: String) throws {
    let golden = try GoldenNetwork(name)
    let without = try golden.load()
    var weights: [String: Tensor] = [:]
    for (name, tensor) in try golden.weights() {
      let moved = name.replacing("conv_block.6.", with: "conv_block.7.").replacing(
        "conv_block.5.", with: "conv_block.6.")
      weights[moved] = tensor
    }
    #expect(weights.keys.contains("model.10.conv_block.6.weight"))
    try SafetensorsFile.write(weights, to: golden.path)
    let with = try Architecture.load(contentsOf: golden.path)
    #expect((with as? ResNetGenerator)?.countsDropout == true && with.notes.isEmpty)
    let x = try golden["x"].to(.float32)
    #expect(try bits(with(x)) == bits(without(x)))
    let path = golden.folder.file("saved.safetensors")
    try with.save(to: path)
    #expect(try bits(Architecture.load(contentsOf: path)(x)) == bits(without(x)))
  }

  @Test func `our own files keep what shapes do not tell`() throws {
    let folder = TemporaryFolder()
    let path = folder.file("a.safetensors")
    try TransformerNet(width: 1, blocks: 0, valueRange: .signed).save(to: path)
    #expect(try TransformerNet(contentsOf: path).valueRange == .signed)
    #expect(try Architecture.load(contentsOf: path).blueprint.scheme["valueRange"] == .string("-1...1"))
  }

  @Test func `running statistics of old files are passed over, and that is said`() throws {
    let golden = try GoldenNetwork("transformer")
    var weights = try golden.weights()
    for number in 1...5 {
      weights["in\(number).running_mean"] = try .zeros([2])
      weights["in\(number).num_batches_tracked"] = try .zeros([])
    }
    weights["epoch"] = try .zeros([1])
    try SafetensorsFile.write(weights, to: golden.path)
    let network = try TransformerNet(contentsOf: golden.path)
    #expect(network.notes.count == 2)
    #expect(network.notes[0].contains("10 tensors of running statistics"), "\(network.notes)")
    #expect(network.notes[1].contains("'epoch'"), "\(network.notes)")
    try golden.expect(network(golden["x"].to(.float32)), is: "y", within: 1e-4)
  }

  @Test func `a file of something else is refused with what is missing`() throws {
    let golden = try GoldenNetwork("transformer")
    var weights = try golden.weights()
    #expect(throws: FileError.self) { try VGG16(contentsOf: golden.path) }
    #expect(throws: FileError.self) { try Architecture.load(contentsOf: golden.path, as: .resNetGenerator) }
    weights["in4.bias"] = nil
    try SafetensorsFile.write(weights, to: golden.path)
    #expect {
      try Architecture.load(contentsOf: golden.path)
    } throws: { "\($0)".contains("in4.bias") }
    try SafetensorsFile.write(["weight": .zeros([3])], to: golden.path)
    #expect {
      try Architecture.load(contentsOf: golden.path)
    } throws: { "\($0)".contains("expected the weights of a known network") && "\($0)".contains("TransformerNet") }
    // Names alone do not make weights.
    try SafetensorsFile.write(
      ["conv1.conv2d.weight": .zeros([512, 3, 9, 9]), "deconv3.conv2d.weight": .zeros([3, 512, 9, 9])], to: golden.path)
    #expect(throws: FileError.self) { try Architecture.load(contentsOf: golden.path) }
  }

  @Test func `encoder and decoder come from files of their own`() throws {
    let golden = try GoldenNetwork("adain")
    for part in ["encoder", "decoder"] {
      var weights: [String: Tensor] = [:]
      for (name, tensor) in try golden.weights() where name.hasPrefix(part) {
        weights[String(name.dropFirst(part.count + 1))] = tensor
      }
      try SafetensorsFile.write(weights, to: golden.folder.file("\(part).safetensors"))
    }
    let network = try AdaINNet(
      encoder: golden.folder.file("encoder.safetensors"), decoder: golden.folder.file("decoder.safetensors"))
    try network.setStyle(golden["style"].to(.float32))
    try golden.expect(network(golden["x"].to(.float32)), is: "y", within: 1e-4)
  }
}
