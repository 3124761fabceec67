import CTensors

/// What a thread sleeps on until another one rings.
final class Alarm: @unchecked Sendable {
  // In memory of their own, as neither must move.
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isRinging = false

  init() {
    pthread_mutex_init(lock, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(lock)
    condition.deallocate()
    lock.deallocate()
  }

  func ring() {
    pthread_mutex_lock(lock)
    isRinging = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(lock)
  }

  /// Returns once it has rung, since the last time that somebody waited.
  func wait() {
    pthread_mutex_lock(lock)
    while !isRinging { pthread_cond_wait(condition, lock) }
    isRinging = false
    pthread_mutex_unlock(lock)
  }
}
