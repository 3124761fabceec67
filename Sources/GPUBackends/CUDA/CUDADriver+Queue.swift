import Tensors

extension CUDADriver {
  /// What calls need, which the first one makes.
  func open(_ state: inout State) throws -> Session {
    if let failure = state.failure { throw failure }
    if let session = state.session { return session }

    func unavailable(_ function: String, _ result: CUResult) -> DeviceError {
      .unavailable(name: name, reason: "\(function) failed: \(library.words(result))")
    }
    var context: CUContext?
    var result = library.cuDevicePrimaryCtxRetain(&context, device)
    guard result == .success, let context else { throw unavailable("cuDevicePrimaryCtxRetain", result) }
    var stream: CUStream?
    let nonBlocking: UInt32 = 1
    result = inContext(context) { library.cuStreamCreate(&stream, nonBlocking) }
    guard result == .success, let stream else {
      _ = library.cuDevicePrimaryCtxRelease(device)
      throw unavailable("cuStreamCreate", result)
    }
    let session = Session(context: context, stream: stream)
    state.session = session
    return session
  }

  func inContext(_ context: CUContext, _ body: () throws -> CUResult) rethrows -> CUResult {
    let result = library.cuCtxPushCurrent(context)
    guard result == .success else { return result }
    defer {
      var popped: CUContext?
      _ = library.cuCtxPopCurrent(&popped)
    }
    return try body()
  }

  /// Queues something and keeps in mind what it is for, until it is known to be done.
  func queue(
    _ purpose: @autoclosure @escaping () -> String, _ call: (inout State, Session) throws -> CUResult
  ) throws {
    try state.withLock { state in
      let session = try open(&state)
      let result = try inContext(session.context) {
        var result = makeRoom(&state, session)
        guard result == .success else { return result }
        result = try call(&state, session)
        guard result == .success else { return result }
        state.calls.append(purpose)
        return isBlocking ? finish(&state, session) : mark(&state, session)
      }
      try check(result, &state, purpose)
    }
  }

  /// Waits until what the body queues is done, and lets other threads queue meanwhile.
  func wait(_ purpose: @autoclosure () -> String, _ body: (Session) -> CUResult) throws {
    let (session, count) = try state.withLock { state in (try open(&state), state.calls.count) }
    let result = inContext(session.context) { body(session) }
    try state.withLock { state in
      try check(result, &state, purpose)
      state.calls.finish(count)
    }
  }

  private func finish(_ state: inout State, _ session: Session) -> CUResult {
    let result = library.cuStreamSynchronize(session.stream)
    if result == .success { state.calls.finish(state.calls.count) }
    return result
  }

  /// Lets an event follow every few calls, and looks how far the device has come. That way errors that come late can
  /// only be of the last calls.
  private func mark(_ state: inout State, _ session: Session) -> CUResult {
    guard state.calls.count % 16 == 0 else { return .success }
    while let mark = state.marks.first {
      let result = library.cuEventQuery(mark.event)
      if result == .notReady { break }
      guard result == .success else { return result }
      pass(mark, &state)
    }
    var event = state.spareEvents.popLast()
    if event == nil {
      let disableTiming: UInt32 = 2
      _ = library.cuEventCreate(&event, disableTiming)
    }
    // Without it the calls are only kept in mind for longer.
    guard let event else { return .success }
    state.marks.append(Mark(event: event, count: state.calls.count))
    return library.cuEventRecord(event, session.stream)
  }

  /// Waits until another call can be kept in mind.
  private func makeRoom(_ state: inout State, _ session: Session) -> CUResult {
    guard state.calls.isFull else { return .success }
    guard let mark = state.marks.first else { return finish(&state, session) }
    let result = library.cuEventSynchronize(mark.event)
    if result == .success { pass(mark, &state) }
    return result
  }

  private func pass(_ mark: Mark, _ state: inout State) {
    state.marks.removeFirst()
    state.spareEvents.append(mark.event)
    state.calls.finish(mark.count)
  }

  /// Throws what an error means: that this call is wrong, or that one which was queued earlier was.
  func check(_ result: CUResult, _ state: inout State, _ purpose: () -> String) throws {
    if result == .success { return }
    if let failure = state.failure { throw failure }
    guard result.cameLate else {
      throw DeviceError.failed(device: name, call: purpose(), reason: library.words(result))
    }
    let failure = state.calls.failure(on: name, reason: library.words(result))
    state.failure = failure
    throw failure
  }
}
