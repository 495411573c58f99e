// Intrusive doubly linked list: membership costs two pointers in the element and no allocation.
// Thread: whoever owns the list. Owner: the list borrows its elements; unlink before an element dies.
#ifndef HORNET_BASE_LIST_H_
#define HORNET_BASE_LIST_H_

#include "base/check.h"

namespace hornet {

struct ListLink {
  ListLink* previous = nullptr;
  ListLink* next = nullptr;

  bool linked() const { return next != nullptr; }
  void Unlink() {
    if (next == nullptr) return;
    previous->next = next;
    next->previous = previous;
    previous = next = nullptr;
  }
};

// `kLink` names the member of T that holds the link, so an element can be in several lists at once.
template <class T, ListLink T::*kLink>
class List {
 public:
  List() { head_.previous = head_.next = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_.next == &head_; }
  T* front() { return empty() ? nullptr : Owner(head_.next); }
  T* back() { return empty() ? nullptr : Owner(head_.previous); }
  void PushBack(T* element) {
    ListLink* link = &(element->*kLink);
    DCHECK(!link->linked());
    link->previous = head_.previous;
    link->next = &head_;
    head_.previous->next = link;
    head_.previous = link;
  }
  void PushFront(T* element) {
    ListLink* link = &(element->*kLink);
    DCHECK(!link->linked());
    link->next = head_.next;
    link->previous = &head_;
    head_.next->previous = link;
    head_.next = link;
  }
  // Puts `element` before `next`, or at the end when that is null.
  void InsertBefore(T* next, T* element) {
    if (next == nullptr) {
      PushBack(element);
      return;
    }
    ListLink* link = &(element->*kLink);
    ListLink* after = &(next->*kLink);
    DCHECK(!link->linked() && after->linked());
    link->previous = after->previous;
    link->next = after;
    after->previous->next = link;
    after->previous = link;
  }
  T* PopFront() {
    T* element = front();
    if (element != nullptr) (element->*kLink).Unlink();
    return element;
  }
  // The element after `element`, or null at the end.
  T* Next(T* element) {
    ListLink* next = (element->*kLink).next;
    return next == &head_ ? nullptr : Owner(next);
  }
  // The one before it, or null at the beginning.
  T* Previous(T* element) {
    ListLink* previous = (element->*kLink).previous;
    return previous == &head_ ? nullptr : Owner(previous);
  }

 private:
  static T* Owner(ListLink* link) {
    // The link's place inside T, found on a null base as offsetof would, for a member pointer.
    alignas(T) static char probe[sizeof(T)];
    T* base = reinterpret_cast<T*>(probe);
    auto offset = reinterpret_cast<char*>(&(base->*kLink)) - reinterpret_cast<char*>(base);
    return reinterpret_cast<T*>(reinterpret_cast<char*>(link) - offset);
  }

  ListLink head_;
};

}  // namespace hornet

#endif  // HORNET_BASE_LIST_H_
