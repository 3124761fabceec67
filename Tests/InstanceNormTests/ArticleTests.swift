import Foundation
import InstanceNorm
import TestSupport
import Testing

/// What the articles show is what is in the files here, and does what they say.
@Suite struct ArticleTests {
  @Test func `the module of the documentation learns, and the article shows it as it is`() throws {
    let module = try PReLU(slope: 0.3, name: "act")
    let x = try Tensor([-2, 3, -1] as [Float])
    let dy = try Tensor([1, 10, 5] as [Float])
    #expect(try module(x).array(of: Float.self) == [-0.6, 3, -0.3])
    #expect(try module.backward(dy).array(of: Float.self) == [0.3, 10, 1.5])
    #expect(try #require(module.vars["slope"]?.grad).doubles == [-7])
    let folder = TemporaryFolder()
    try module.save(to: folder.file("act.safetensors"))
    let other = try PReLU(name: "act")
    try other.load(from: folder.file("act.safetensors"))
    #expect(try #require(other.vars["slope"]).data.array(of: Float.self) == [0.3])
    for dtype in DType.allCases {
      try other.calcMode(dtype)
      #expect(try other(Tensor.randomNormal([2, 3, 4, 5], seed: 1, dtype: dtype)).dtype == dtype)
    }

    try expectShown("PReLU.swift", in: "WritingAModule.md")
  }

  @Test func `a block of the documentation is found by its properties, and the article shows it as it is`() throws {
    let block = try ResidualBlock(maps: 3, name: "res1")
    #expect(
      block.variables.map(\.name) == ["res1.norm1.bias", "res1.norm1.scale", "res1.norm2.bias", "res1.norm2.scale"])
    let x = try Tensor.randomNormal([2, 3, 4, 5], seed: 1)
    let dy = try Tensor.randomNormal([2, 3, 4, 5], seed: 2)
    let (norm1, norm2) = (try InstanceNorm2D(numOfMaps: 3, activation: .relu), try InstanceNorm2D(numOfMaps: 3))
    #expect(try bits(block(x)) == bits(norm2(norm1(x)) + x))
    let dx = try block.backward(dy)
    #expect(try bits(dx) == bits(norm1.backward(norm2.backward(dy)) + dy))
    #expect(try bits(#require(block.variables[1].variable.grad)) == bits(#require(norm1.scale?.grad)))
    // It computes in what its parts do, and a part that is frozen has no gradients.
    try block.calcMode(.float16)
    #expect(try block(x.to(.float16)).dtype == .float16)
    try block.calcMode(.float32)
    try block.zeroGradParams()
    block.children[0].evalMode()
    try block(x)
    try block.backward(dy)
    for (name, variable) in block.variables {
      #expect(try #require(variable.grad).doubles.allSatisfy { $0 == 0 } == name.contains("norm1"), "\(name)")
    }
    block.trainMode()
    // In a Sequential, and without the gradient by the data.
    let model = try Sequential([block, Tanh()])
    let optimizer = try Adam(learnRate: 0.05)
    try optimizer.setup(on: model)
    var losses: [Double] = []
    for _ in 0..<60 {
      let (loss, grad) = try valueAndGradient(by: model(x)) { try meanSquaredError($0, Tensor.zeros([2, 3, 4, 5])) }
      losses.append(try loss.scalar())
      try model.backward(grad, updGrad: false)
      try optimizer.update()
    }
    #expect(losses[59] < 0.9 * losses[0])
    let folder = TemporaryFolder()
    try model.save(to: folder.file("m.safetensors"))
    #expect(try SafetensorsFile(contentsOf: folder.file("m.safetensors")).names.contains("res1.norm2.weight"))
    try expectShown("ResidualBlock.swift", in: "BuildingModels.md")
  }

  @Test func `an operation of the documentation has the gradient that it says, and the article shows it`() throws {
    let x = try Tensor([1, -2, 3] as [Float])
    #expect(try Reversal(input: x).result().doubles == [1, -2, 3])
    #expect(try gradients(of: Reversal(input: x).result().square().sum(), by: x).doubles == [-2, 4, -6])
    // Twice is none, and a gradient's gradient is -(-(2)).
    let slopes = try gradients(of: gradients(of: Reversal(input: x).result().square().sum(), by: x).sum(), by: x)
    #expect(try slopes.doubles == [2, 2, 2])
    try expectShown("Reversal.swift", in: "WritingAModule.md")
  }

  @Test func `the pixels of the documentation get their tint, and the article shows how`() throws {
    let pixels: [UInt8] = [200, 100, 0, 255, 0, 0, 0, 7]
    // Half of the colour, and half of the grey, 100, times the tint.
    #expect(try tinted(pixels, height: 1, width: 2, by: [1, 0.5, 0]) == [150, 75, 0, 255, 0, 0, 0, 7])
    try expectShown("Tinted.swift", in: "WorkingWithTensors.md")
  }

  private func expectShown(_ source: String, in article: String) throws {
    let text = try String(contentsOfFile: "\(packageFolder)/Tests/InstanceNormTests/\(source)", encoding: .utf8)
    let article = try String(
      contentsOfFile: "\(packageFolder)/Sources/InstanceNorm/InstanceNorm.docc/\(article)", encoding: .utf8)
    let lines = Set(article.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
    for line in text.split(separator: "\n") where !line.hasPrefix("///") && line != "import InstanceNorm" {
      #expect(lines.contains(line.trimmingCharacters(in: .whitespaces)), "\(line)")
    }
  }
}
