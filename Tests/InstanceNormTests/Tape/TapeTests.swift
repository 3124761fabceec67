import Foundation
import InstanceNorm
import Synchronization
import TestSupport
import Testing

/// What is recorded, what is not, and for how long.
@Suite struct TapeTests {
  private let x = try! Tensor([1, 2, 3] as [Double])

  // MARK: What is recorded

  @Test func `outside of gradients nothing is recorded, and nothing of it stays`() throws {
    let variable = Variable(name: "v", data: x)
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let picture = try Tensor.randomNormal([1, 3, 4, 4], seed: 1)
    #expect(try (variable.data * x).tanh().origin == nil)
    #expect(try norm(picture).origin == nil && norm.data?.origin == nil)
    let (value, found) = try valueAndGradients(of: [variable]) {
      let product = try variable.data * x
      #expect(product.origin != nil)
      // What hangs on nothing that is watched is not recorded there either.
      #expect(try (x * x).tanh().origin == nil)
      return try product.sum()
    }
    #expect(try value.origin == nil && #require(found[variable]).origin == nil)
    #expect(try gradients(of: x.square().sum(), by: x).origin == nil)
    norm.reset()
    let (loss, grad) = try valueAndGradient(by: norm(picture)) { try $0.square().sum() }
    #expect(loss.origin == nil && grad.origin == nil)
    let dx = try norm.backward(grad)
    #expect(try dx.origin == nil && #require(norm.scale?.grad).origin == nil)
    // Nor after an error.
    struct Failure: Error {}
    #expect(throws: Failure.self) { try valueAndGradients(of: [variable]) { throw Failure() } }
    #expect(throws: Failure.self) { try gradients(of: { () throws -> Tensor in throw Failure() }(), by: x) }
    #expect(try (variable.data * x).origin == nil)
  }

  @Test func `tasks record each for itself`() async throws {
    let variables = try (0..<8).map { try Variable(name: "v", data: Tensor([Double($0 + 1)])) }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for (number, variable) in variables.enumerated() {
        group.addTask {
          try (0..<200).allSatisfy { _ in
            let (value, found) = try valueAndGradients(of: [variable]) {
              var product = variable.data
              for other in variables where other !== variable { product = try product * other.data }
              return try (product * variable.data).sum()
            }
            let factorial = 40320.0
            let isRight = try value.scalar() == factorial * Double(number + 1)
            return try isRight && found[variable]?.scalar() == 2 * factorial
              && !variables.contains { $0 !== variable && found[$0] != nil }
          }
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
  }

  @Test func `a gradient by what a value does not depend on is zeros, of its form`() throws {
    let other = try Tensor.randomNormal([1, 2, 3, 1], seed: 1).to(.nhwc)
    let found = try gradients(of: x.sum(), by: [x, other])
    #expect(try found[0].doubles == [1, 1, 1])
    #expect(try found[1].doubles == Array(repeating: 0, count: 6))
    #expect(TensorForm(like: found[1]) == TensorForm(like: other))
    let (used, unused) = (Variable(name: "a", data: x), Variable(name: "b", data: x))
    let (_, both) = try valueAndGradients(of: [used, unused]) { try used.data.sum() }
    #expect(both[used] != nil && both[unused] == nil)
  }

  @Test func `only one value has a gradient`() throws {
    let error = GradientError.severalValues(shape: [3])
    #expect(throws: error) { try gradients(of: x.square(), by: x) }
    #expect(throws: error) { try valueAndGradients(of: []) { x } }
    #expect("\(error)".contains("sum()"))
    #expect(try gradients(of: x.sliced(along: 0, 1..<2), by: x).doubles == [0, 1, 0])
  }

  @Test func `a tensor is known by its memory, whatever it is called`() throws {
    let copy = x
    #expect(try gradients(of: (copy * copy).sum(), by: x).doubles == [2, 4, 6])
    // The same values elsewhere are another tensor, and so are the same ones under another shape.
    let same = try Tensor(x.doubles)
    #expect(try gradients(of: (same * same).sum(), by: x).doubles == [0, 0, 0])
    let reshaped = try x.reshaped(to: [3, 1])
    #expect(try gradients(of: (reshaped * reshaped).sum(), by: x).doubles == [0, 0, 0])
    #expect(try gradients(of: x.reshaped(to: [3, 1]).square().sum(), by: x).doubles == [2, 4, 6])
  }

  // MARK: Constants

  @Test func `what is frozen is a constant`() throws {
    let variable = Variable(name: "v", data: x)
    variable.isTrained = false
    let other = Variable(name: "o", data: x)
    let (_, found) = try valueAndGradients(of: [variable, other]) { try (variable.data * other.data).sum() }
    #expect(found[variable] == nil)
    #expect(try #require(found[other]).doubles == [1, 2, 3])

    let (body, head) = (try InstanceNorm2D(numOfMaps: 2, name: "body"), try InstanceNorm2D(numOfMaps: 2, name: "head"))
    let model = try Sequential([body, head])
    body.evalMode()
    let picture = try Tensor.randomNormal([1, 2, 4, 4], seed: 1)
    let (_, gradients) = try valueAndGradients(of: model) { try model(picture).square().sum() }
    #expect(try gradients[#require(body.scale)] == nil && gradients[#require(head.scale)] != nil)
    // By variables that were not asked for there is none.
    let (_, few) = try valueAndGradients(of: [#require(head.bias)]) { try model(picture).square().sum() }
    #expect(try few[#require(head.scale)] == nil && few[#require(head.bias)] != nil)
    let optimizer = try SGD(learnRate: 1)
    try optimizer.setup(on: model)
    let before = try model.variables.map { try bits($0.variable.data) }
    try optimizer.update(few)
    let after = try model.variables.map { try bits($0.variable.data) }
    #expect(zip(before, after).map { $0 != $1 } == model.variables.map { $0.name == "head.bias" })
  }

  @Test func `gradients stop where they are told to`() throws {
    #expect(try gradients(of: (x * x.stopGradient()).sum(), by: x).doubles == [1, 2, 3])
    #expect(try gradients(of: x.square().stopGradient().sum(), by: x).doubles == [0, 0, 0])
    let variable = Variable(name: "v", data: x)
    let (_, found) = try valueAndGradients(of: [variable]) {
      let constant = try variable.data.square().stopGradient()
      return try (constant * variable.data).sum()
    }
    #expect(try #require(found[variable]).doubles == [1, 4, 9])
    // A gradient may still be asked by such a constant.
    let constant = try x.square().stopGradient()
    #expect(try gradients(of: constant.square().sum(), by: constant).doubles == [2, 8, 18])
    #expect(try gradients(of: (x * x.stopGradient()).sum(), by: x.stopGradient()).doubles == [1, 2, 3])
  }

  // MARK: Writing in place

  @Test func `a gradient is of the values that there were`() throws {
    var changing = x
    let variable = Variable(name: "v", data: x)
    let (_, found) = try valueAndGradients(of: [variable]) {
      let square = try (changing * variable.data).square()
      try changing.fill(with: 100)
      try variable.data.fill(with: 50)
      return try square.sum()
    }
    #expect(try #require(found[variable]).doubles == [2, 16, 54])
    #expect(try variable.data.doubles == [50, 50, 50])
    // The variable is itself again.
    let (_, again) = try valueAndGradients(of: [variable]) { try variable.data.square().sum() }
    #expect(try #require(again[variable]).doubles == [100, 100, 100])
  }

  @Test func `what is written over has no gradient of what it was`() throws {
    let variable = Variable(name: "v", data: x)
    let (_, found) = try valueAndGradients(of: [variable]) {
      var product = try 3 * variable.data
      try product.set(10, at: 0)
      return try (product * variable.data).sum()
    }
    #expect(try #require(found[variable]).doubles == [10, 6, 9])
    var y = x
    let dy = try gradients(
      of: {
        try y.combine(1, x)
        return try (y * x).sum()
      }(), by: x)
    #expect(try dy.doubles == [2, 4, 6])
  }

  // MARK: Computed again

  @Test func `what is computed again gives the same, and keeps nothing meanwhile`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2, activation: .relu)
    try norm.calcMode(.float64)
    norm.scale?.data = try .numbers([2], seed: 1)
    let picture = try Tensor.numbers([2, 2, 4, 4], seed: 2)
    let calls = Mutex(0)
    nonisolated(unsafe) let layer = norm
    func block(_ x: Tensor, isAgain: Bool) throws -> Tensor {
      guard isAgain else { return try (layer(x) * x).tanh() }
      return try recomputed([x]) { inputs in
        calls.withLock { $0 += 1 }
        return try (layer(inputs[0]) * inputs[0]).tanh()
      }
    }
    func results(isAgain: Bool) throws -> [[Double]] {
      let (value, found) = try valueAndGradients(of: norm) {
        try block(block(picture, isAgain: isAgain), isAgain: isAgain).square().sum()
      }
      let slopes = try gradients(of: block(picture, isAgain: isAgain).square().sum(), by: picture)
      let second = try gradients(
        of: gradients(of: block(picture, isAgain: isAgain).square().sum(), by: picture).square().sum(), by: picture)
      return try [value, slopes, second].map { try $0.doubles }
        + norm.variables.map { try #require(found[$0.variable]).doubles }
    }
    let (again, kept) = (try results(isAgain: true), try results(isAgain: false))
    for (index, (first, second)) in zip(again, kept).enumerated() {
      // Terms are added in another order.
      #expect(zip(first, second).allSatisfy { abs($0 - $1) <= 1e-12 * max(1, abs($1)) }, "\(index)")
    }
    // Twice for each block whose gradient was taken, and more where that had one too.
    #expect(calls.withLock { $0 } >= 2 * 2 + 2 + 3)
    // Where nothing is recorded it is a call.
    calls.withLock { $0 = 0 }
    #expect(try bits(block(picture, isAgain: true)) == bits(block(picture, isAgain: false)))
    #expect(calls.withLock { $0 } == 1)
  }

  @Test func `what is computed again does not hold its inner results`() async {
    await #expect(processExitsWith: .success) {
      let x = try Tensor.randomNormal([1 << 18], seed: 1)
      func peak(isAgain: Bool) throws -> Int {
        var most = 0
        _ = try gradients(
          of: {
            let before = MemoryPool.shared.statistics.bytesInUse
            var y = x
            for _ in 0..<8 {
              let body: @Sendable ([Tensor]) throws -> Tensor = { try $0[0].tanh().sigmoid().exp().tanh().square() }
              y = try isAgain ? recomputed([y], body) : body([y])
            }
            most = MemoryPool.shared.statistics.bytesInUse - before
            return try y.sum()
          }(), by: x)
        return most
      }
      let (kept, again) = (try peak(isAgain: false), try peak(isAgain: true))
      #expect(kept >= 32 << 20 && again <= 9 << 20, "\(kept), \(again)")
    }
  }

  // MARK: Long chains

  @Test func `a chain of a hundred thousand operations comes and goes without filling the stack`() async {
    await #expect(processExitsWith: .success) {
      let done = DispatchSemaphore(value: 0)
      let thread = Thread {
        do {
          let variable = try Variable(name: "v", data: Tensor([1.0]))
          let (value, found) = try valueAndGradients(of: [variable]) {
            var y = variable.data
            for _ in 0..<100_000 { y = try y + variable.data }
            return y
          }
          #expect(try value.scalar() == 100_001)
          #expect(try #require(found[variable]).scalar() == 100_001)
          // Let go of before its end, and of gradients of gradients.
          _ = try? valueAndGradients(of: [variable]) {
            var y = variable.data
            for _ in 0..<100_000 { y = try y.tanh() }
            throw CancellationError()
          }
          let x = try Tensor.randomNormal([1, 1, 2, 2], seed: 1, dtype: .float64)
          let norm = try InstanceNorm2D(numOfMaps: 1)
          try norm.calcMode(.float64)
          func chain(_ count: Int) throws -> Tensor {
            var y = x
            for number in 0..<count { y = try number % 2 == 0 ? norm(y) : y.tanh() }
            return try y.sum()
          }
          _ = try gradients(of: gradients(of: chain(3000), by: x).square().sum(), by: x)
        } catch {
          Issue.record("\(error)")
        }
        done.signal()
      }
      thread.stackSize = 512 << 10
      thread.start()
      // In a closure of its own, since waiting is not for tasks.
      ({ done.wait() })()
    }
  }

  @Test func `what no gradient is computed with goes at once`() throws {
    let backend = MeteredBackend()
    let device = Device(backend)
    let conv = try Conv2D(inMaps: 4, outMaps: 4, size: 3, pad: 1)
    try conv.to(device)
    let x = try Tensor.randomNormal([1, 4, 32, 32], seed: 1).to(device)
    _ = try valueAndGradients(of: conv) {
      var y = x
      let before = backend.inUse
      // What ReLU gives says all that it and the next convolution need.
      for _ in 0..<3 { y = try (conv(y) + 1).relu() }
      #expect(backend.inUse - before == 3 * x.byteCount)
      for _ in 0..<3 {
        y = try (2 * y - x).padded(rows: (1, 1), columns: (0, 0)).cropped(rows: 1..<33, columns: 0..<32)
      }
      #expect(backend.inUse - before == 4 * x.byteCount)
      return try y.sum()
    }
  }

  @Test func `what a call has left goes when the module is reset`() async {
    await #expect(processExitsWith: .success) {
      let model = try Sequential((0..<6).map { _ in Tanh() })
      let x = try Tensor.randomNormal([1 << 18], seed: 1)
      let before = MemoryPool.shared.statistics.bytesInUse
      try model(x)
      #expect(MemoryPool.shared.statistics.bytesInUse >= before + 6 << 20)
      model.reset()
      #expect(MemoryPool.shared.statistics.bytesInUse == before)
      try model(x)
      model.evalMode()
      #expect(MemoryPool.shared.statistics.bytesInUse == before)
      try model(x)
      #expect(MemoryPool.shared.statistics.bytesInUse == before)
    }
  }
}
