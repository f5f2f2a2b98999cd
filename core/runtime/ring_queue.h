// RingQueue: a first-in first-out queue in one block of memory, which grows by doubling and is then
// reused, so that a steady flow through it allocates nothing. Not thread-safe. Bounding it is its
// owner's business.

#ifndef TIDEWAY_CORE_RUNTIME_RING_QUEUE_H_
#define TIDEWAY_CORE_RUNTIME_RING_QUEUE_H_

#include <cassert>
#include <cstddef>
#include <utility>
#include <vector>

namespace tideway {

template <typename T>
class RingQueue {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  T& front() { return (*this)[0]; }
  T& operator[](size_t index) {
    assert(index < size_);
    return slots_[(head_ + index) & (slots_.size() - 1)];
  }

  void push_back(T value) {
    if (size_ == slots_.size()) Grow();
    slots_[(head_ + size_) & (slots_.size() - 1)] = std::move(value);
    ++size_;
  }

  // Takes the front out; what it held is released with the returned value.
  T pop_front() {
    T value = std::exchange(front(), T());
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }

  void swap(RingQueue& other) {
    slots_.swap(other.slots_);
    std::swap(head_, other.head_);
    std::swap(size_, other.size_);
  }

 private:
  void Grow() {
    std::vector<T> bigger(slots_.empty() ? 8 : slots_.size() * 2);
    for (size_t i = 0; i < size_; ++i) bigger[i] = std::move((*this)[i]);
    slots_.swap(bigger);
    head_ = 0;
  }

  std::vector<T> slots_;  // a power of two, or none
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace tideway

#endif  // TIDEWAY_CORE_RUNTIME_RING_QUEUE_H_
