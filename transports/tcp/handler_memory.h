// HandlerMemory: the memory of one kind of Asio operation of which a connection has at most one
// under way, so that reading, writing and waiting allocate nothing. WithMemory ties a handler to
// it.

#ifndef TIDEWAY_TRANSPORTS_TCP_HANDLER_MEMORY_H_
#define TIDEWAY_TRANSPORTS_TCP_HANDLER_MEMORY_H_

#include <cstddef>
#include <new>
#include <utility>

namespace tideway::tcp {

class HandlerMemory {
 public:
  HandlerMemory() = default;
  HandlerMemory(const HandlerMemory&) = delete;
  HandlerMemory& operator=(const HandlerMemory&) = delete;

  void* Allocate(size_t bytes) {
    if (in_use_ || bytes > sizeof(storage_)) return ::operator new(bytes);
    in_use_ = true;
    return storage_;
  }

  void Free(void* memory) {
    if (memory == storage_) {
      in_use_ = false;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  bool in_use_ = false;
  alignas(std::max_align_t) std::byte storage_[512];
};

template <typename T>
class HandlerAllocator {
 public:
  using value_type = T;

  explicit HandlerAllocator(HandlerMemory& memory) : memory_(&memory) {}
  template <typename U>
  HandlerAllocator(const HandlerAllocator<U>& other) : memory_(other.memory_) {}

  T* allocate(size_t n) { return static_cast<T*>(memory_->Allocate(n * sizeof(T))); }
  void deallocate(T* p, size_t) { memory_->Free(p); }
  bool operator==(const HandlerAllocator& other) const { return memory_ == other.memory_; }

 private:
  template <typename U>
  friend class HandlerAllocator;
  HandlerMemory* memory_;
};

template <typename Handler>
class HandlerWithMemory {
 public:
  using allocator_type = HandlerAllocator<Handler>;

  HandlerWithMemory(HandlerMemory& memory, Handler handler)
      : memory_(&memory), handler_(std::move(handler)) {}

  allocator_type get_allocator() const { return allocator_type(*memory_); }

  template <typename... Args>
  void operator()(Args&&... args) {
    handler_(std::forward<Args>(args)...);
  }

 private:
  HandlerMemory* memory_;
  Handler handler_;
};

// `memory` lives at least as long as what `handler` keeps alive.
template <typename Handler>
HandlerWithMemory<Handler> WithMemory(HandlerMemory& memory, Handler handler) {
  return HandlerWithMemory<Handler>(memory, std::move(handler));
}

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_HANDLER_MEMORY_H_
