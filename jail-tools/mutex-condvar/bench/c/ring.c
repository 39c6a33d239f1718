/*
 * A bounded queue as one writes it in C: a ring, one mutex, two condition variables, and the
 * notification after the unlock, so that the thread that is woken finds the mutex free.
 *
 * Every function returns 0 or the error number of the pthread call that failed.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct message {
    uint64_t id;
    uint64_t stamp_ns;
};

struct ring {
    pthread_mutex_t lock;
    pthread_cond_t not_full;
    pthread_cond_t not_empty;
    size_t capacity;
    size_t head;
    size_t length;
    struct message slots[];
};

int ring_new(size_t capacity, struct ring **out)
{
    size_t most = (SIZE_MAX - sizeof(struct ring)) / sizeof(struct message);
    if (capacity == 0 || capacity > most)
        return EINVAL;
    struct ring *ring = malloc(sizeof *ring + capacity * sizeof(struct message));
    if (ring == NULL)
        return ENOMEM;
    ring->capacity = capacity;
    ring->head = 0;
    ring->length = 0;
    int error = pthread_mutex_init(&ring->lock, NULL);
    if (error != 0)
        goto no_lock;
    error = pthread_cond_init(&ring->not_full, NULL);
    if (error != 0)
        goto no_not_full;
    error = pthread_cond_init(&ring->not_empty, NULL);
    if (error != 0)
        goto no_not_empty;
    *out = ring;
    return 0;

no_not_empty:
    pthread_cond_destroy(&ring->not_full);
no_not_full:
    pthread_mutex_destroy(&ring->lock);
no_lock:
    free(ring);
    return error;
}

void ring_free(struct ring *ring)
{
    pthread_cond_destroy(&ring->not_empty);
    pthread_cond_destroy(&ring->not_full);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

int ring_push(struct ring *ring, const struct message *message)
{
    int error = pthread_mutex_lock(&ring->lock);
    if (error != 0)
        return error;
    while (ring->length == ring->capacity) {
        error = pthread_cond_wait(&ring->not_full, &ring->lock);
        if (error != 0) {
            pthread_mutex_unlock(&ring->lock);
            return error;
        }
    }
    size_t tail = ring->head + ring->length;
    if (tail >= ring->capacity)
        tail -= ring->capacity;
    ring->slots[tail] = *message;
    ring->length++;
    error = pthread_mutex_unlock(&ring->lock);
    if (error != 0)
        return error;
    return pthread_cond_signal(&ring->not_empty);
}

int ring_pop(struct ring *ring, struct message *out)
{
    int error = pthread_mutex_lock(&ring->lock);
    if (error != 0)
        return error;
    while (ring->length == 0) {
        error = pthread_cond_wait(&ring->not_empty, &ring->lock);
        if (error != 0) {
            pthread_mutex_unlock(&ring->lock);
            return error;
        }
    }
    *out = ring->slots[ring->head];
    ring->head++;
    if (ring->head == ring->capacity)
        ring->head = 0;
    ring->length--;
    error = pthread_mutex_unlock(&ring->lock);
    if (error != 0)
        return error;
    return pthread_cond_signal(&ring->not_full);
}
