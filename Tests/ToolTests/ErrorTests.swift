import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Bad input ends in one line on standard error, which names the file or option and says what is wrong with it, and in
/// status 64 for usage or 1 for everything else. An existing output stays as it was.
@Suite struct ErrorTests {
  private let folder = TemporaryFolder()

  init() throws {
    try NPY.write(.randomNormal([2, 3, 4, 5], seed: 1), to: folder.file("x.npy"))
    try NPY.write(.zeros([4]), to: folder.file("flat.npy"))
    try NPY.write(.zeros([1, 3, 0, 4]), to: folder.file("nothing.npy"))
    try NPY.write(.zeros([2, 0, 4, 4]), to: folder.file("mapless.npy"))
    let header = Array("{'red\u{202E}': 1}\n".utf8)
    try write([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header, to: folder.file("escape.npy"))
    try NPY.write(.zeros([1, 2, 3, 4, 5]), to: folder.file("volumes.npy"))
    try NPY.write(Tensor([1e300, -1e300], shape: [1, 2, 1, 1]), to: folder.file("huge.npy"))
    try NPY.write(Tensor([1, .nan, 3, 4] as [Float], shape: [1, 1, 2, 2]), to: folder.file("nan.npy"))
    try Picture(colors: .randomUniform([1, 3, 8, 9], seed: 1)).write(to: folder.file("in.png"))
    try Picture(colors: .randomUniform([1, 3, 9, 8], seed: 1)).write(to: folder.file("tall.png"))
    try Picture(colors: .randomUniform([1, 3, 40, 40], seed: 1)).write(to: folder.file("large.png"))
    try write("text".utf8, to: folder.file("text.png"))
    try write("<?xml version='1.0'?><svg/>".utf8, to: folder.file("drawing.png"))
    try write("%PDF-1.4".utf8, to: folder.file("document.pdf"))
    try write("text".utf8, to: folder.file("text.npy"))
    try write("text".utf8, to: folder.file("text.safetensors"))
    try write([], to: folder.file("empty.jpg"))
    try Picture(colors: .randomUniform([1, 3, 80, 90], seed: 2)).write(to: folder.file("cut.png"))
    try write(bytes(of: folder.file("cut.png")).prefix(9000), to: folder.file("cut.png"))
    try SafetensorsFile.write(["weight": .ones([4]), "bias": .zeros([4])], to: folder.file("four.safetensors"))
    try SafetensorsFile.write(["weight": .ones([3])], to: folder.file("half.safetensors"))
    try SafetensorsFile.write(["a.weight": .ones([3]), "b.weight": .ones([3])], to: folder.file("two.safetensors"))
    let weights = try (0..<12).map { ("net.\($0).weight", try Tensor.ones([3])) }
    try SafetensorsFile.write(Dictionary(uniqueKeysWithValues: weights), to: folder.file("many.safetensors"))
    try SafetensorsFile.write(
      ["weight": .ones([8, 3, 3, 3]), "bias": .zeros([8])], to: folder.file("convolution.safetensors"))
    try SafetensorsFile.write(
      ["weight": Tensor([1, 1e300, 1]), "bias": .zeros([3])], to: folder.file("large.safetensors"))
    try SafetensorsFile.write(["w": Tensor([7e4] as [Float], shape: [1, 1])], to: folder.file("wide.safetensors"))
    try write(
      [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50], to: folder.file("weights.pth"))
    try write(bytes(of: folder.file("in.png")), to: folder.file("picture.npy"))
    for name in ["out.png", "out.npy", "out.safetensors"] { try write("old".utf8, to: folder.file(name)) }
    try FileManager.default.createDirectory(atPath: folder.file("folder.png"), withIntermediateDirectories: true)
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    let command: String
    let status: Int32
    let words: [String]

    init(_ command: String, _ status: Int32, _ words: String...) {
      self.command = command
      self.status = status
      self.words = words
    }

    var testDescription: String { command }
  }

  static let faults: [Fault] = [
    // Usage.
    Fault("nonsense", 64, "no verb 'nonsense'", "selftest"),
    Fault("aply in.png -o out.png", 64, "'aply'", "did you mean 'apply'?"),
    Fault("STATS x.npy", 64, "did you mean 'stats'?"),
    Fault("tsats x.npy", 64, "did you mean 'stats'?"),
    Fault("apply", 64, "<input>"),
    Fault("apply in.png", 64, "--output"),
    Fault("apply in.png -o", 64, "-o"),
    Fault("apply in.png -o out.png --nonsense", 64, "--nonsense"),
    Fault("apply in.png x.npy -o out.png", 64, "--output", "a folder", "out.png"),
    Fault("apply - - -o out/", 64, "standard input"),
    Fault("stats - in.png -", 64, "standard input"),
    Fault("apply in.png -o out.v", 64, "--output", "out.v"),
    Fault("apply in.png -o out.xyz", 64, "--output", "out.xyz"),
    Fault("apply in.png -o out", 64, "--output", "'out'"),
    Fault("bench --shape 1,2,3", 64, "--shape", "1,2,3"),
    Fault("bench --shape 1,0,3,4", 64, "--shape", "1,0,3,4"),
    Fault("bench --threads 0", 64, "--threads", "0"),
    Fault("bench --dtype int8", 64, "--dtype", "int8", "bfloat16"),
    Fault("bench --shape 9999999999,9999999999,99,9", 1, "(9999999999, 9999999999, 99, 9)"),
    Fault("apply in.png -o out.png --epsilon -1", 64, "--epsilon", "-1"),
    Fault("apply in.png -o out.png --epsilon nan", 64, "--epsilon", "nan"),
    Fault("apply in.png -o out.png --epsilon x", 64, "--epsilon", "'x'"),
    Fault("apply in.png -o out.png --scale 1,2", 64, "--scale", "3 numbers", "2"),
    Fault("apply in.png -o out.png --bias 1,2,3,4", 64, "--bias", "3 numbers", "4"),
    Fault("apply in.png -o out.png --scale 1,,2", 64, "--scale", "1,,2"),
    Fault("apply in.png -o out.png --scale 1,x,2", 64, "--scale", "1,x,2"),
    Fault("apply in.png -o out.png --scale 1,inf,2", 64, "--scale", "1,inf,2"),
    Fault("apply in.png -o out.png --scale 1e300", 64, "--scale", "float32"),
    Fault("apply in.png -o out.png --layout hwc", 64, "--layout", "hwc", "nchw"),
    Fault("apply in.png -o out.png --threads 0", 64, "--threads", "0"),
    Fault("apply in.png -o out.png --threads -2", 64, "--threads", "-2"),
    Fault("apply in.png -o out.png --threads 257", 64, "--threads", "1 to 256", "257"),
    Fault("bench --threads 100000", 64, "--threads", "1 to 256", "100000"),
    Fault("apply in.png -o out.png --layer a", 64, "--layer", "--weights"),
    Fault("apply in.png -o out.png --weights two.safetensors --layer c", 64, "--layer", "'c'", "there is 'a', 'b'"),
    Fault(
      "apply in.png -o out.png --weights many.safetensors --layer net.12", 64,
      "nearest of its 12 layers: 'net.1', 'net.10'"),
    Fault("apply in.png -o out.png --no-affine --scale 1", 64, "--no-affine", "--scale"),
    Fault("apply in.png -o out.png --weights four.safetensors --bias 1", 64, "--weights", "--bias"),
    Fault("apply in.png -o out.png --device quantum", 64, "--device", "quantum", "cpu"),
    Fault("transfer in.png in.png -o out.png --device quantum", 64, "--device", "quantum", "cpu"),
    // What is missing is the driver or, where there is one, the device.
    Fault("fit in.png in.png -o out.safetensors --device cuda:99", 64, "--device", "cuda"),
    Fault("bench --device opencl:99", 64, "--device", "opencl"),
    Fault("bench --device quantum --json", 64, "--device", "quantum"),
    Fault("selftest --device quantum", 64, "--device", "quantum"),
    Fault("selftest --threads 0 --no-speed", 64, "--threads", "0"),
    Fault("fit in.png in.png -o out.safetensors --threads 0", 64, "--threads", "0"),
    Fault("devices cuda:0", 64, "cuda:0"),
    Fault("apply in.png -o out.png[compression=9]", 64, "--output", "out.png[compression=9]"),
    Fault("transfer in.png -o out.png", 64, "colours to take"),
    Fault("transfer in.png in.png -o out.xyz", 64, "--output", "out.xyz"),
    Fault("convert four.safetensors", 64, "--output"),
    Fault("convert four.safetensors -o out.npy", 64, "--output", ".safetensors"),
    Fault("fit in.png in.png -o out.npy", 64, "--output", ".safetensors"),
    Fault("fit in.png in.png -o out.safetensors --steps 0", 64, "--steps", "0"),
    Fault("fit in.png in.png -o out.safetensors --learn-rate -0.1", 64, "--learn-rate", "-0.1"),
    Fault("fit in.png in.png -o out.safetensors --optimizer lbfgs", 64, "--optimizer", "lbfgs", "adam"),
    Fault("fit in.png in.png -o out.safetensors --seed -1", 64, "--seed", "-1"),
    Fault("stats", 64, "<input>"),
    Fault("stats in.png --page -1", 64, "--page", "-1"),
    Fault("stats in.png --page 1", 1, "in.png", "page 1", "1 page"),
    Fault("stats x.npy --page 0", 64, "--page", "x.npy"),
    Fault("stats in.png --max-pixels 0", 64, "--max-pixels", "0"),
    Fault("stats in.png --max-pixels 71", 1, "in.png", "9 x 8", "72", "71"),
    Fault("transfer in.png in.png -o out.png --style-page -1", 64, "--style-page", "-1"),
    Fault("apply drawing.png -o out.png", 1, "drawing.png", "a drawing", "PNG"),
    Fault("apply document.pdf -o out.png", 1, "document.pdf", "PDF"),
    Fault("figure", 64, "--output"),
    Fault("figure -o out.jpg", 64, "--output", ".svg", ".png", "out.jpg"),
    Fault("figure -o out.npy", 64, "--output", "out.npy"),
    Fault("figure -o out", 64, "--output", "'out'"),
    Fault("figure x.npy -o out.png", 64, "x.npy"),
    // Files.
    Fault("apply missing.png -o out.png", 1, "missing.png", "No such file"),
    Fault("apply missing.npy -o out.npy", 1, "missing.npy", "No such file"),
    Fault("apply two\nlines\u{1B}.png -o out.png", 1, #"two\nlines\x1B.png"#),
    Fault("apply in.png -o two\nlines.xyz", 64, #"'two\nlines.xyz'"#),
    Fault("apply weights.pth -o out.png", 1, "weights.pth", "pickle", "instnorm convert"),
    Fault("apply in.png -o out.png --weights weights.pth", 1, "weights.pth", "truncated"),
    Fault("apply picture.npy -o out.npy", 1, "picture.npy", "it is a picture (PNG)"),
    Fault("apply text.png -o out.png", 1, "text.png", "not a picture"),
    Fault("apply empty.jpg -o out.png", 1, "empty.jpg", "not a picture"),
    Fault("apply text.npy -o out.npy", 1, "text.npy", "not an .npy file"),
    Fault("apply cut.png -o out.png", 1, "cut.png", "not a picture"),
    Fault("apply folder.png -o out.png", 64, "--output", "for a folder"),
    Fault("apply folder.png -o out/", 1, "folder.png", "no file in this folder"),
    Fault("stats folder.png", 1, "folder.png", "no file in this folder"),
    Fault("apply flat.npy -o out.npy", 1, "flat.npy", "rank 3", "(4,)"),
    Fault("apply mapless.npy -o out.npy", 1, "mapless.npy", "without maps", "(2, 0, 4, 4)"),
    Fault("apply escape.npy -o out.npy", 1, "escape.npy", "'red?'"),
    Fault("transfer in.png nothing.npy -o out.png", 1, "nothing.npy", "no values"),
    Fault("fit in.png in.png -o out.safetensors --steps 1 --learn-rate 1e300 --optimizer sgd", 1, "--learn-rate"),
    Fault("apply x.npy -o out.png", 1, "out.png", "(2, 3, 4, 5)"),
    Fault("figure -o missing.svg/", 1, "missing.svg/", "slash"),
    Fault("apply in.png -o missing/out.png", 1, "missing/out.png", "No such file"),
    Fault("apply in.png -o out.png --weights missing.safetensors", 1, "missing.safetensors", "No such file"),
    Fault("apply in.png -o out.png --weights text.safetensors", 1, "text.safetensors", "truncated"),
    Fault("apply in.png -o out.png --weights four.safetensors", 1, "four.safetensors", "(3,)", "(4,)"),
    Fault("apply in.png -o out.png --weights half.safetensors", 1, "half.safetensors", "bias"),
    Fault("apply in.png -o out.png --weights two.safetensors", 1, "two.safetensors", "got 2: a, b;", "--layer"),
    Fault("apply in.png -o out.png --weights many.safetensors", 1, "got 12: net.0, net.1, net.10", "--layer"),
    Fault("apply in.png -o out.png --weights convolution.safetensors", 1, "none among 2 tensors"),
    Fault("apply in.png -o out.png --weights large.safetensors", 1, "1e+300", "float32"),
    Fault("convert missing.pth -o out.safetensors", 1, "missing.pth", "No such file"),
    Fault("convert weights.pth -o out.safetensors", 1, "weights.pth", "truncated"),
    Fault("convert text.safetensors -o out.safetensors", 1, "text.safetensors", "truncated"),
    Fault("convert in.png -o out.safetensors", 1, "in.png", "it is a picture (PNG)"),
    Fault("convert four.safetensors --part a -o out.safetensors", 1, "four.safetensors", "no parts", "'a'"),
    Fault("convert wide.safetensors --half -o out.safetensors", 1, "wide.safetensors", "'w' has 70000.0", "float16"),
    Fault("convert four.safetensors -o missing/out.safetensors", 1, "missing/out.safetensors"),
    Fault("transfer in.png missing.png -o out.png", 1, "missing.png"),
    Fault("transfer x.npy x.npy -o out.npy", 1, "x.npy", "one picture"),
    Fault("fit in.png tall.png -o out.safetensors", 1, "tall.png", "(1, 3, 9, 8)", "(1, 3, 8, 9)"),
    Fault("fit nothing.npy nothing.npy -o out.safetensors", 1, "nothing.npy", "no values"),
    Fault("fit nan.npy nan.npy -o out.safetensors", 1, "nan.npy", "nan"),
    Fault("fit in.png in.png -o out.safetensors --learn-rate 1e30 --optimizer sgd", 1, "--learn-rate", "smaller"),
    Fault("fit in.png in.png -o missing/out.safetensors --steps 1", 1, "missing/out.safetensors"),
    Fault("transfer in.png in.png -o out.png --strength -1", 64, "--strength", "-1"),
    Fault("transfer in.png in.png -o out.png --strength nan", 64, "--strength", "nan"),
    Fault("transfer in.png in.png -o out.png --strength much", 64, "--strength", "much"),
    Fault("apply x.npy -o out.npy --norm spectral", 64, "--norm", "spectral"),
    Fault("apply x.npy -o out.npy --norm group", 64, "--norm", "group"),
    Fault("apply x.npy -o out.npy --norm group:0", 64, "--norm", "group:0"),
    Fault("apply x.npy -o out.npy --norm group:2", 64, "--norm", "3 maps", "2 groups"),
    Fault("apply volumes.npy -o out.npy --norm batch", 64, "--norm", "volumes.npy", "batch"),
    Fault("bench --norm group:7 --shape 1,8,4,4", 64, "--norm", "8 maps", "7 groups"),
    Fault("stylize in.png -o out.png --style swirl", 64, "--style", "'swirls'", "swirl"),
    Fault("stylize in.png -o out.png --style swirls:x", 64, "--style", "swirls:x"),
    Fault("stylize in.png -o out.png --style swirls:0", 64, "--style", "more than 0"),
    Fault("stylize in.png -o out.png --architecture VGG16", 64, "--architecture", "--model"),
    Fault("styles in.png", 64, "--output"),
    Fault("styles in.png -o text.png", 1, "text.png", "folder"),
    Fault("train style in.png --pictures . -o m.safetensors", 1, "in.png", "32 pixels", "9 x 8"),
    Fault("train style cut.png --pictures . -o m.safetensors", 1, "cut.png"),
    Fault("train style large.png --pictures nowhere -o m.safetensors", 1, "nowhere"),
    Fault("train style missing.png --pictures . -o m.safetensors", 1, "missing.png"),
    Fault("train style in.png --pictures . -o m.pth", 64, "--output", ".safetensors"),
    Fault("train style in.png --pictures . -o m.safetensors --steps 0", 64, "--steps", "0"),
    Fault("train style in.png --pictures . -o m.safetensors --size 8", 64, "--size", "32"),
    Fault("train style in.png --pictures . -o m.safetensors --style-weight -1", 64, "--style-weight", "-1"),
    Fault("train style in.png --pictures . -o m.safetensors --loss-network four.safetensors", 1, "known network"),
    Fault("train pairs nowhere -o m.safetensors", 1, "nowhere"),
    Fault("train cycle . nowhere -o m.safetensors --back-output m.safetensors", 64, "--back-output"),
    Fault("stylize in.png -o out.png --model m --size 0", 64, "--size", "0"),
    Fault("stylize in.png -o out.png --model m --strength 2", 64, "--strength", "2"),
    Fault("stylize in.png -o out.png --model m --architecture Net", 64, "--architecture", "Net", "TransformerNet"),
    Fault("stylize - - -o out/ --model m", 64, "standard input"),
    Fault("stylize in.png tall.png -o out.png --model m", 64, "--output", "folder"),
    Fault("stylize in.png -o out.png --model missing.pth", 1, "missing.pth", "No such file"),
    Fault("stylize in.png -o out.png --model four.safetensors", 1, "four.safetensors", "known network", "'bias'"),
    Fault("stylize in.png -o out.png --model four.safetensors --architecture VGG16", 1, "features.0"),
    Fault("summary four.safetensors", 1, "four.safetensors", "known network"),
    Fault("summary four.safetensors --size 0", 64, "--size", "0"),
    Fault("stats missing.npy", 1, "missing.npy"),
    Fault("stats flat.npy --json", 1, "flat.npy", "rank 3"),
    Fault("figure -o out.png --tensor missing.npy", 1, "missing.npy", "No such file"),
    Fault("figure -o out.png --tensor flat.npy", 1, "flat.npy", "rank 3", "(4,)"),
    Fault("figure -o out.png --tensor volumes.npy", 1, "volumes.npy", "(N, C, H, W)", "(1, 2, 3, 4, 5)"),
    Fault("figure -o out.png --tensor nan.npy", 1, "nan.npy", "map 0 of picture 0", "not finite"),
    Fault("figure -o out.png --tensor huge.npy", 1, "huge.npy", "so large"),
    Fault("figure -o out.png --tensor nothing.npy", 1, "nothing.npy", "no values"),
    Fault("figure -o missing/out.svg", 1, "missing/out.svg", "No such file"),
    Fault("figure -o folder.png", 1, "folder.png", "folder"),
  ]

  @Test func `what cannot be printed is an error too`() throws {
    for redirection in [">/dev/full", ">&-"] {
      let tool = try Tool(shell: "'\(Tool.path("instnorm"))' stats x.npy \(redirection)", in: folder.path)
      #expect(tool.status == 1)
      #expect(tool.errors.hasPrefix("instnorm: standard output: cannot be written"))
    }
    for redirection in ["2>/dev/full", "2>&-"] {
      #expect(
        try Tool(shell: "'\(Tool.path("instnorm"))' stats missing.npy \(redirection)", in: folder.path).status == 1)
    }
  }

  @Test(.disabled(if: Sanitizer.isThread, "the sanitizer's own memory is a file, which the limit cuts short"))
  func `a write that is cut short leaves the old file alone`() throws {
    try NPY.write(.zeros([1, 3, 100, 100]), to: folder.file("large.npy"))
    let tool = try Tool(shell: "ulimit -f 8; '\(Tool.path("instnorm"))' apply large.npy -o out.npy", in: folder.path)
    #expect(tool.status == 1)
    #expect(tool.errors == "instnorm: out.npy: cannot be written: File too large\n")
    #expect(try bytes(of: folder.file("out.npy")) == Array("old".utf8))
    #expect(!folder.contents.contains { $0.hasPrefix(".") })
  }

  @Test(arguments: faults)
  func `an error is one line that says what is wrong, and nothing is lost`(fault: Fault) throws {
    let tool = try Tool(fault.command.split(separator: " ").map(String.init), in: folder.path)
    #expect(tool.status == fault.status)
    #expect(tool.output == "")
    #expect(tool.errors.hasPrefix("instnorm: ") && tool.errors.hasSuffix("\n"))
    #expect(tool.errors.filter(\.isNewline).count == 1, "\(tool.errors)")
    for word in fault.words { #expect(tool.errors.contains(word), "\(tool.errors)") }
    for name in ["out.png", "out.npy", "out.safetensors"] {
      #expect(try bytes(of: folder.file(name)) == Array("old".utf8), "\(name) was written")
    }
    #expect(!folder.contents.contains { $0.hasPrefix(".") }, "a temporary file was left")
  }
}
