// Threads that may wait for a disk, so that no I/O thread does.
// Thread: Start() and Close() from the server's owner; Post() from any I/O thread.
// Life:   Start() to Close(). A thread that a broken disk never lets go of is left behind: what it shares stays as long
//         as it does, and what it finds out after Close() is told to nobody.
// Bounds: kThreads threads; kTasksMax tasks that wait.
#ifndef HORNET_STATIC_FILE_THREADS_H_
#define HORNET_STATIC_FILE_THREADS_H_

#include <cstdint>
#include <memory>

namespace hornet {

// Something to be done on such a thread.
class FileTask {
 public:
  virtual ~FileTask() = default;
  virtual void Run() = 0;
  // After Run(), on the same thread, unless the threads were closed meanwhile. Must not wait.
  virtual void Finish(std::shared_ptr<FileTask> self) = 0;
};

class FileThreads {
 public:
  static constexpr uint32_t kThreads = 4;
  static constexpr uint32_t kTasksMax = 4096;

  FileThreads();
  ~FileThreads();
  FileThreads(const FileThreads&) = delete;
  FileThreads& operator=(const FileThreads&) = delete;

  // Nothing happens the second time.
  void Start();
  // False when as many as may wait do so already.
  bool Post(std::shared_ptr<FileTask> task);
  // Returns when no Finish() runs or will run.
  void Close();

 private:
  struct State;
  static void Work(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace hornet

#endif  // HORNET_STATIC_FILE_THREADS_H_
