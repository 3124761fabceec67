import Foundation
import Generators
import ImageFiles
import TestSupport
import Testing

/// `instnorm stylize` and `summary`, run as processes on files.
@Suite struct StylizeTests: VerbSuite {
  let folder = TemporaryFolder()

  /// A network of random weights, which is also the file `m.safetensors`.
  private func network() throws -> TransformerNet {
    let network = try withInitialValues(seed: 3) { try TransformerNet(width: 2, blocks: 1) }
    try network.save(to: folder.file("m.safetensors"))
    network.evalMode()
    return network
  }

  /// What a network makes of a picture as a plan, which is how the tool runs it.
  private func planned(_ network: Module, _ x: Tensor) throws -> Tensor {
    try network.plan(for: x.shape)(x.to(.nchw))
  }

  private func stylize(_ arguments: String...) throws -> Tool {
    try Tool(["stylize"] + arguments + ["--model", "m.safetensors"], in: folder.path)
  }

  @Test func `an array holds the network's own values, and a picture what they stand for`() throws {
    let network = try network()
    let picture = try picture("in.png", seed: 1)
    let expected = try planned(network, 255 * picture.colors)
    _ = try run("stylize", "in.png", "-o", "y.npy", "--model", "m.safetensors", "--device", "cpu")
    #expect(try bits(array("y.npy")) == bits(expected))
    try NPY.write(255 * picture.colors, to: folder.file("x.npy"))
    _ = try run("stylize", "x.npy", "-o", "z.npy", "--model", "m.safetensors", "--threads", "1")
    #expect(try bits(array("z.npy")) == bits(expected))
    _ = try run("stylize", "in.png", "-o", "out.png", "--model", "m.safetensors")
    for (value, wanted) in try zip(Picture(contentsOf: folder.file("out.png")).colors.doubles, expected.doubles) {
      #expect(abs(value - min(max(wanted / 255, 0), 1)) < 0.502 / 255)
    }
    // An example of twenty lines does the same, and the README shows it.
    let example = try Tool(["m.safetensors", "in.png", "example.png"], program: "paint-picture", in: folder.path)
    #expect(example.status == 0, "\(example.errors)")
    #expect(try bytes(of: folder.file("example.png")) == bytes(of: folder.file("out.png")))
    let source = String(decoding: try bytes(of: "\(packageFolder)/Examples/PaintPicture/main.swift"), as: UTF8.self)
    let body = try #require(source.components(separatedBy: "throws {\n").last?.components(separatedBy: "\n}\n").first)
    let shown = body.split(separator: "\n").map { $0.dropFirst(2) }.joined(separator: "\n")
    #expect(String(decoding: try bytes(of: "\(packageFolder)/README.md"), as: UTF8.self).contains(shown))
  }

  @Test func `a grain is under the painting and not in the picture`() throws {
    let network = try network()
    let picture = try picture("in.png", seed: 1)
    func painted(_ name: String, _ arguments: String...) throws -> Tensor {
      let tool = try Tool(
        ["stylize", "in.png", "-o", name, "--model", "m.safetensors"] + arguments, in: folder.path)
      #expect(tool.status == 0, "\(tool.errors)")
      return try array(name)
    }
    let plain = try painted("plain.npy")
    #expect(try bits(plain) == bits(planned(network, 255 * picture.colors)))
    #expect(try bits(painted("none.npy", "--grain", "0")) == bits(plain))
    let (grain, again) = (try painted("grain.npy", "--grain", "2"), try painted("again.npy", "--grain", "2"))
    #expect(try bits(grain) == bits(again) && bits(grain) != bits(plain))
    // Without the painting there is none of it.
    #expect(try bits(painted("same.npy", "--grain", "64", "--strength", "0")) == bits(255 * picture.colors))
    for wrong in ["-1", "65", "nan"] {
      let tool = try stylize("in.png", "-o", "out.npy", "--grain", wrong)
      #expect(tool.status == 64 && tool.errors.contains("--grain: expected 0 to 64; got \(wrong)"), "\(tool.errors)")
    }
  }

  @Test func `strength, colours and transparency are the picture's`() throws {
    _ = try network()
    let alpha = try Tensor.randomUniform([1, 1, 20, 30], seed: 7)
    let picture = try picture("in.png", seed: 1, alpha: alpha)
    #expect(try stylize("in.png", "-o", "same.png", "--strength", "0").status == 0)
    let same = try Picture(contentsOf: folder.file("same.png"))
    #expect(try bits(same.colors) == bits(picture.colors))
    #expect(try bits(#require(same.alpha)) == bits(#require(picture.alpha)))
    #expect(try stylize("in.png", "-o", "kept.npy", "--keep-colors").status == 0)
    #expect(try stylize("in.png", "-o", "full.npy").status == 0)
    let (kept, full, colors) = (
      try array("kept.npy").doubles, try array("full.npy").doubles, try picture.colors.doubles
    )
    for place in 0..<600 {
      func pixel(_ values: [Double]) -> [Double] { (0..<3).map { values[place + 600 * $0] } }
      func luma(_ values: [Double]) -> Double { 0.299 * values[0] + 0.587 * values[1] + 0.114 * values[2] }
      let (new, old) = (pixel(kept), pixel(colors).map { $0 * 255 })
      #expect(abs((new[0] - new[1]) - (old[0] - old[1])) < 1e-3 && abs((new[2] - new[1]) - (old[2] - old[1])) < 1e-3)
      #expect(abs(luma(new) - luma(pixel(full).map { min(max($0, 0), 255) })) < 1e-3)
    }
    #expect(try stylize("in.png", "-o", "small.png", "--size", "15").status == 0)
    let small = try Picture(contentsOf: folder.file("small.png"))
    #expect(small.width == 15 && small.height == 10 && small.alpha?.shape == [1, 1, 10, 15])
  }

  @Test func `of a folder with a broken picture the rest is done, and the exit status says so`() throws {
    _ = try network()
    try FileManager.default.createDirectory(atPath: folder.file("in"), withIntermediateDirectories: true)
    for (name, seed) in [("a.png", 1), ("c.webp", 2), ("d.ppm", 3)] as [(String, UInt64)] {
      _ = try picture("in/\(name)", seed: seed)
    }
    try write("text".utf8, to: folder.file("in/b.png"))
    try write("text".utf8, to: folder.file("in/notes.txt"))
    let tool = try stylize("in", "-o", "out/")
    #expect(tool.status == 1)
    let lines = tool.errors.split(separator: "\n")
    #expect(lines.count == 2 && lines[0].contains("in/b.png") && lines[1].contains("1 of 4 failed"), "\(tool.errors)")
    #expect(TemporaryFolder.contents(of: folder.file("out")) == ["a.png", "c.webp", "d.ppm"])
    // Each is as it is alone.
    #expect(try stylize("in/a.png", "-o", "alone.png").status == 0)
    #expect(try bytes(of: folder.file("alone.png")) == bytes(of: folder.file("out/a.png")))
    // Several inputs into a folder that is there.
    #expect(try stylize("in/a.png", "in/d.ppm", "-o", "out").status == 0)
    for (arguments, words) in [
      (["in", "-o", "in/"], "is an input"), (["in/a.png", "in/d.ppm", "-o", "x.png"], "expected a folder"),
      (["in/a.png", "alone.png", "in/a.png", "-o", "out/"], "would be the result of"),
    ] {
      let tool = try Tool(["stylize"] + arguments + ["--model", "m.safetensors"], in: folder.path)
      #expect(tool.status == 64 && tool.errors.contains(words), "\(tool.errors)")
    }
  }

  @Test func `a picture goes through standard input and output`() throws {
    _ = try network()
    _ = try picture("in.png", seed: 1)
    #expect(try stylize("in.png", "-o", "out.png").status == 0)
    let instnorm = Tool.path("instnorm")
    let script = "cat in.png | '\(instnorm)' stylize - -o - --model m.safetensors | cat >piped.png"
    #expect(try Tool(shell: script, in: folder.path).errors == "")
    #expect(try bytes(of: folder.file("piped.png")) == bytes(of: folder.file("out.png")))
    let tool = try Tool(
      shell: "echo text | '\(instnorm)' stylize - -o - --model m.safetensors", in: folder.path)
    #expect(tool.status == 1 && tool.output == "" && tool.errors.hasPrefix("instnorm: standard input: not a picture"))
  }

  @Test func `styles are chosen by number, or are a picture`() throws {
    let styles = try ConditionalTransformerNet(numOfStyles: 2, width: 2, blocks: 0)
    for (_, variable) in styles.variables where variable.data.shape.rank == 2 {
      variable.data = try .randomUniform(variable.data.shape, in: 0.5..<1.5, seed: 3)
    }
    try styles.save(to: folder.file("m.safetensors"))
    let picture = try picture("in.png", seed: 1)
    styles.evalMode()
    try styles.select(style: 1)
    #expect(try stylize("in.png", "-o", "y.npy", "--style", "1").status == 0)
    #expect(try bits(array("y.npy")) == bits(planned(styles, 255 * picture.colors)))
    for style in ["2", "-1", "mosaic"] {
      let tool = try stylize("in.png", "-o", "y.npy", "--style", style)
      #expect(tool.status == 64 && tool.errors.contains("'0', '1'"), "\(tool.errors)")
    }
    let adain = try AdaINNet(width: 2)
    try adain.save(to: folder.file("m.safetensors"))
    adain.evalMode()
    try adain.setStyle(picture.colors.reversed(along: 2))
    try Picture(colors: picture.colors.reversed(along: 2)).write(to: folder.file("style.png"))
    adain.strength = 0.5
    #expect(try stylize("in.png", "-o", "y.npy", "--style", "style.png", "--strength", "0.5").status == 0)
    #expect(try bits(array("y.npy")) == bits(planned(adain, picture.colors)))
    #expect(try stylize("in.png", "-o", "y.npy").errors.contains("--style"))
    // Encoder and decoder in files of their own, as others have them.
    let file = try SafetensorsFile(contentsOf: folder.file("m.safetensors"))
    for (part, name) in [("encoder.", "e.safetensors"), ("decoder.", "m.safetensors")] {
      let names = file.names.filter { $0.hasPrefix(part) }
      let tensors = try names.map { (String($0.dropFirst(part.count)), try file.tensor(named: $0)) }
      try SafetensorsFile.write(Dictionary(uniqueKeysWithValues: tensors), to: folder.file(name))
    }
    let style = ["--style", "style.png", "--strength", "0.5"]
    let two = try Tool(
      ["stylize", "in.png", "-o", "z.npy", "--model", "m.safetensors", "--encoder", "e.safetensors"] + style,
      in: folder.path)
    #expect(two.status == 0, "\(two.errors)")
    #expect(try bits(array("z.npy")) == bits(array("y.npy")))
    _ = try network()
    #expect(try stylize("in.png", "-o", "y.npy", "--style", "1").status == 64)
  }

  @Test func `the pages of a file are painted one by one`() throws {
    let network = try network()
    let pages = try Tensor.randomUniform([3, 3, 9, 8], in: 0.2..<0.8, seed: 4)
    try Picture(colors: pages).write(to: folder.file("in.tif"))
    let read = try Picture(contentsOf: folder.file("in.tif")).colors
    #expect(try stylize("in.tif", "-o", "y.npy").status == 0)
    for page in 0..<3 {
      let alone = try planned(network, 255 * read.sliced(along: 0, page..<page + 1))
      #expect(try bits(array("y.npy").sliced(along: 0, page..<page + 1)) == bits(alone))
    }
  }

  @Test func `a summary has each layer, and sums that are right`() throws {
    try TransformerNet(width: 1, blocks: 0).save(to: folder.file("m.safetensors"))
    let text = try run("summary", "m.safetensors", "--size", "256")
    for name in ["conv1.conv2d", "in3", "deconv2.conv2d"] { #expect(text.contains("\n\(name) "), "\(text)") }
    // 9x9 from 3 to 1 map and back, twice a stride, twice after nearest neighbours: weights times places.
    let work = 2 * 3 * 81 * 65_536 + 9 * (2 * 16_384 + 8 * 4096) + 9 * (8 * 16_384 + 2 * 65_536)
    #expect(text.contains("\(String(format: "%.2f", Double(work) / 1e6)) million multiply-adds"), "\(text)")
    let count = (243 + 1) + (18 + 2) + (72 + 4) + (72 + 2) + (18 + 1) + (243 + 3) + 2 * (1 + 2 + 4 + 2 + 1)
    #expect(text.contains("; \(count) parameters"), "\(text)")
  }
}

extension TemporaryFolder {
  fileprivate static func contents(of path: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? []
  }
}
