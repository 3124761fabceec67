import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Verbs on pictures from strangers, on pages and on animations.
@Suite struct PictureVerbTests: VerbSuite {
  let folder = TemporaryFolder()

  /// Ten frames of plain surfaces, each a little brighter.
  private func animation(_ name: String) throws {
    let levels = (0..<10).flatMap { [Float](repeating: 0.1 + 0.08 * Float($0), count: 192) }
    let timing = Picture.Timing(delays: (0..<10).map { 40 + 10 * $0 }, repeats: 3)
    try Picture(colors: Tensor(levels, shape: [10, 3, 8, 8]), timing: timing).write(to: folder.file(name))
  }

  @Test(arguments: ["a.gif", "a.webp", "a.tif"]) func `an animation keeps its frames and when they are shown`(
    name: String
  ) throws {
    try animation(name)
    let out = "out." + name.split(separator: ".")[1]
    _ = try run("apply", name, "-o", out, "--norm", "batch")
    let result = try Picture(contentsOf: folder.file(out))
    #expect(result.count == 10)
    #expect(try result.colors[9, 0, 4, 4] > result.colors[0, 0, 4, 4] + 0.5)
    if name != "a.tif" {
      #expect(result.timing == Picture.Timing(delays: (0..<10).map { 40 + 10 * $0 }, repeats: 3))
    }
    _ = try run("apply", name, "-o", "y.npy")
    #expect(try array("y.npy").shape.dimensions[0] == 10)
    _ = try run("apply", name, "-o", "y.png", "--page", "9")
    #expect(try Picture(contentsOf: folder.file("y.png")).count == 1)
    #expect(try run("stats", name, "--page", "9").contains("0.8"))

    let tool = try Tool(["apply", name, "-o", "y.png"], in: folder.path)
    #expect(tool.status == 1 && tool.errors.contains(".gif, .webp and .tif hold several"), "\(tool.errors)")
  }

  @Test func `results do not take the place of the pictures that they are made of`() throws {
    _ = try picture("a.png", seed: 1)
    let before = try bytes(of: folder.file("a.png"))
    let tool = try Tool(["apply", "a.png", "-o", "./"], in: folder.path)
    #expect(tool.status != 0 && tool.errors.contains("'./a.png' is an input"), "\(tool.errors)")
    #expect(try bytes(of: folder.file("a.png")) == before)
  }

  @Test func `what came through standard input is gone with the process`() throws {
    _ = try picture("a.png", seed: 1)
    let script = "mkdir t && TMPDIR=t '\(Tool.path("instnorm"))' stats - <a.png >a.txt && ls -A t"
    let tool = try Tool(shell: script, in: folder.path)
    #expect(tool.status == 0 && tool.output == "" && tool.errors == "", "\(tool.output)\(tool.errors)")
  }

  @Test func `verbs go over folders and several files, and one that is broken keeps no other back`() throws {
    try FileManager.default.createDirectory(atPath: folder.file("in"), withIntermediateDirectories: false)
    for (seed, name) in ["a.png", "b.png"].enumerated() {
      try Picture(colors: .randomUniform([1, 3, 7, 9], seed: UInt64(seed))).write(to: folder.file("in/\(name)"))
    }
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: folder.file("in/c.png")))
    for (verb, style) in [("apply", []), ("transfer", ["in/b.png"])] {
      let tool = try Tool([verb, "in"] + style + ["-o", "\(verb)/", "--threads", "1"], in: folder.path)
      #expect(tool.status == 1 && tool.output == "", "\(tool.output)")
      #expect(tool.errors.contains("in/c.png: ") && tool.errors.contains("1 of 3 failed"), "\(tool.errors)")
      for name in ["a.png", "b.png"] {
        _ = try Tool([verb, "in/\(name)"] + style + ["-o", "alone.png", "--threads", "1"], in: folder.path)
        #expect(try bytes(of: folder.file("\(verb)/\(name)")) == bytes(of: folder.file("alone.png")))
      }
      let piped = try Tool(
        shell: """
          '\(Tool.path("instnorm"))' \(verb) - \(style.joined()) -o - --threads 1 <in/a.png >piped.png
          """, in: folder.path)
      #expect(piped.status == 0, "\(piped.errors)")
      #expect(
        try bits(Picture(contentsOf: folder.file("piped.png")).colors)
          == bits(Picture(contentsOf: folder.file("\(verb)/a.png")).colors))
    }
    let stats = try Tool(["stats", "in", "--json"], in: folder.path)
    let reports = try JSONSerialization.jsonObject(with: Data(stats.output.utf8)) as? [[String: Any]]
    #expect(stats.status == 1 && reports?.map { $0["file"] as? String } == ["in/a.png", "in/b.png"])
    let text = try run("stats", "in/a.png", "in/b.png")
    #expect(text.contains("in/a.png: (1, 3, 7, 9)") && text.contains("in/b.png: (1, 3, 7, 9)"))
  }

  @Test func `transfer gives every frame the style's colours`() throws {
    try animation("a.gif")
    let style = try picture("style.png", seed: 2)
    let means = try style.colors.planeSummaries().map(\.moments.mean)
    _ = try run("transfer", "a.gif", "style.png", "-o", "y.npy")
    let result = try array("y.npy")
    #expect(result.shape == [10, 3, 8, 8])
    for (plane, summary) in try result.planeSummaries().enumerated() {
      #expect(abs(summary.moments.mean - means[plane % 3]) < 1e-5)
    }
    let tool = try Tool(["transfer", "style.png", "a.gif", "-o", "y.npy"], in: folder.path)
    #expect(tool.status == 1 && tool.errors.contains("--style-page"), "\(tool.errors)")
    _ = try run("transfer", "style.png", "a.gif", "-o", "y.npy", "--style-page", "9")
    #expect(abs(try array("y.npy").planeSummaries()[0].moments.mean - 0.82) < 0.02)
    // Grey pictures become three maps each.
    try Picture(colors: Tensor([0, 1, 0.5, 0.25] as [Float], shape: [2, 1, 1, 2])).write(to: folder.file("grey.tif"))
    _ = try run("transfer", "grey.tif", "style.png", "-o", "y.npy", "--strength", "0")
    #expect(
      try array("y.npy").doubles
        == [0, 1, 0, 1, 0, 1, 0.5, 0.25, 0.5, 0.25, 0.5, 0.25].map {
          ($0 * 255).rounded() / 255
        }.map { Double(Float($0)) })
  }

  @Test func `what is unusual about a picture is said, and does not get into the result`() throws {
    try write(Array("Pf\n2 1\n-1\n".utf8) + [0, 0, 0, 0, 0, 0, 0x7F, 0x43], to: folder.file("a.pfm"))
    let tool = try Tool(["stats", "a.pfm", "--json"], in: folder.path)
    #expect(tool.status == 0 && tool.output.hasPrefix("{") && tool.output.contains("127.5"))
    #expect(tool.errors == "instnorm: a.pfm: its values, 0.0 to 255.0, go beyond 0...1 and are kept\n")
  }

  private static let hasTrace = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")

  @Test(.enabled(if: hasTrace && !Sanitizer.isAddress && !Sanitizer.isThread, "it needs strace"))
  func `no file but the input is opened, and no process started`() throws {
    try picture("private.png", seed: 1).write(to: folder.file("b.tif"))
    let link = "<image width=\"64\" height=\"64\" xlink:href=\"\(folder.file("private.png"))\"/>"
    let space = String(repeating: " ", count: 1500)
    let drawing = "<?xml version=\"1.0\"?>\n<!--\(space)-->\n<svg width=\"64\" height=\"64\">\(link)</svg>"
    try write(drawing.utf8, to: folder.file("e.png"))
    try write("push graphic-context\nimage over 0,0 0,0 'private.png'\n".utf8, to: folder.file("e.mvg"))
    try Picture(colors: .zeros([1, 3, 8, 8])).write(to: folder.file("c.bmp"))
    try animation("d.gif")
    for name in ["e.png", "e.mvg", "b.tif", "c.bmp", "d.gif"] {
      let trace = try Tool(
        shell: """
          strace -f -qq -o trace -e trace=open,openat,execve,fork,vfork \
          '\(Tool.path("instnorm"))' apply \(name) -o out.tif --device cpu
          """, in: folder.path)
      #expect((trace.status == 0) == !name.hasPrefix("e."), "\(name): \(trace.errors)")
      let lines = String(decoding: try bytes(of: folder.file("trace")), as: UTF8.self).split(separator: "\n")
      #expect(
        lines.filter { $0.contains("execve(") || $0.contains("fork(") }.count == 1, "\(name): the tool itself alone")
      let opened = lines.filter { $0.contains("open") && !$0.contains("ENOENT") }
        .compactMap { $0.split(separator: "\"").dropFirst().first }
      #expect(opened.contains { $0.hasSuffix(name) })
      #expect(!opened.contains { $0.contains("private") }, "\(name)")
      // What programs are made of, their own half-written files and the folder that these are in.
      let others = opened.filter { path in
        !["/lib", "/usr", "/etc", "/proc", "/sys", "/dev", "/opt"].contains { path.hasPrefix($0) }
          && path != "." && !path.contains("/.instnorm-") && !path.hasSuffix(name)
          && !path.hasSuffix(".so") && !path.contains(".so.")
      }
      #expect(others.isEmpty, "\(name): \(others)")
      #expect(!opened.contains { $0.lowercased().contains("magick") && !$0.contains(".so") }, "\(name)")
    }
  }
}
